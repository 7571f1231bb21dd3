#!lua flags=no-writes
-- Chosen fields of some entries of a stream, so that the rest of large entries does not travel.
-- KEYS: stream
-- ARGV: first id, last id, 'newest' or 'oldest' (which end is read first), most entries, most bytes that are looked at, most
--       bytes of a value that are returned, then the fields: a name, or '#' and a name for the length of its value alone, or '$'
--       and a name for the end of its value instead of its beginning
-- Returns {whether there is more ('' : no), entries}, each entry {id, values}: a value is nil where the entry has no such field
local newest, most, budget, cut = ARGV[3] == 'newest', tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local LARGEST = '18446744073709551615-18446744073709551615'
local SLICE = 64 -- entries at once: as the budget is looked at between slices, the first ones are small
local first, last = ARGV[1], ARGV[2]
local places, lengths, ends, wanted = {}, {}, {}, #ARGV - 6
for i = 1, wanted do
  local name = ARGV[6 + i]
  local mark = string.sub(name, 1, 1)
  if mark == '#' then
    lengths[string.sub(name, 2)] = i
  elseif mark == '$' then
    ends[string.sub(name, 2)] = i
  else
    places[name] = i
  end
end
local found, bytes, slice = {}, 0, 1
while #found < most and bytes < budget do
  local count = math.min(slice, most - #found)
  local entries = newest and redis.call('XREVRANGE', KEYS[1], last, first, 'COUNT', count)
    or redis.call('XRANGE', KEYS[1], first, last, 'COUNT', count)
  for _, entry in ipairs(entries) do
    local fields, values = entry[2], {}
    for i = 1, wanted do values[i] = false end
    for i = 1, #fields, 2 do
      local name, value = fields[i], fields[i + 1]
      bytes = bytes + #name + #value
      if places[name] then values[places[name]] = string.sub(value, 1, cut) end
      if lengths[name] then values[lengths[name]] = #value end
      if ends[name] then values[ends[name]] = string.sub(value, -cut) end
    end
    found[#found + 1] = {entry[1], values}
  end
  if #entries < count then return {'', found} end
  local at = entries[#entries][1]
  if newest then
    last = '(' .. at
  else
    if at == LARGEST then return {'', found} end -- nothing is behind it, which the server says with an error
    first = '(' .. at
  end
  slice = math.min(slice * 2, SLICE)
end
return {'more', found}
