#!lua flags=no-writes
-- Everything that one look at a partition needs, but the entries themselves.
-- KEYS: records, predictions, rejected
-- ARGV: group whose consumers are listed, most groups and consumers, most entries and most bytes that are looked at for rows
--       per entry, most entries that are counted where the server knows no lag, and of each stream the last id of the look
--       before (its rows per entry are not looked at again)
-- Returns {server time in ms, streams, groups, consumers}: a stream {entries ever added, entries there, first and last id, rows
-- of its newest entries}, a group {name, lag (-1: see counted), pending, first id not handed out, oldest pending id, counted, whether
-- there are more than counted}, a consumer {name, idle ms, inactive ms (-1: an old server), pending}
local most, sampled, sampled_bytes, counted_most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local LARGEST = '18446744073709551615-18446744073709551615'
local function map(list)
  local found = {}
  for i = 1, #list, 2 do found[list[i]] = list[i + 1] end
  return found
end

-- rows of an entry: a block says how many, of what was refused of a block each has a number of four bytes
local function rows_of(fields)
  for i = 1, #fields, 2 do
    if fields[i] == '_n' and string.match(fields[i + 1], '^%d+$') and #fields[i + 1] < 9 then
      return math.max(1, tonumber(fields[i + 1]))
    end
    if fields[i] == '_rows' then return math.max(1, math.floor(#fields[i + 1] / 4)) end
  end
  return 1
end
local function size_of(fields)
  local bytes = 0
  for i = 1, #fields do bytes = bytes + #fields[i] end
  return bytes
end

local streams = {}
for place, key in ipairs(KEYS) do
  local added, length, first, last, rows = 0, 0, '0-0', '0-0', {}
  local info = redis.pcall('XINFO', 'STREAM', key)
  if info.err and not string.find(info.err, 'no such key', 1, true) then return redis.error_reply(info.err) end
  if not info.err then
    info = map(info)
    added, length, last = info['entries-added'], info.length, info['last-generated-id']
    if length > 0 then first = info['first-entry'][1] end
  end
  if length > 0 and last ~= ARGV[5 + place] then
    local entry, bytes = info['last-entry'], 0
    while entry do
      rows[#rows + 1] = rows_of(entry[2])
      bytes = bytes + size_of(entry[2])
      if #rows >= sampled or bytes >= sampled_bytes then break end
      entry = redis.call('XREVRANGE', key, '(' .. entry[1], '-', 'COUNT', 1)[1]
    end
  end
  streams[place] = {added, length, first, last, rows}
end

local groups, consumers = {}, {}
local after = {[LARGEST] = ''} -- entries may be large and groups many, mostly at the same place
local function first_after(id)
  if not after[id] then
    local entry = redis.call('XRANGE', KEYS[1], '(' .. id, '+', 'COUNT', 1)[1]
    after[id] = entry and entry[1] or ''
  end
  return after[id]
end
local function count_after(id)
  local count, bytes = 0, 0
  while count < counted_most and bytes < sampled_bytes do
    if id == LARGEST then return count, '' end
    local entries = redis.call('XRANGE', KEYS[1], '(' .. id, '+', 'COUNT', 16)
    for _, entry in ipairs(entries) do bytes = bytes + size_of(entry[2]) end
    count = count + #entries
    if #entries < 16 then return count, '' end
    id = entries[#entries][1]
  end
  return count, 'more'
end
local listed = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if not listed.err then
  for number, one in ipairs(listed) do
    if number > most then break end
    local info = map(one)
    local unread, oldest = first_after(info['last-delivered-id']), ''
    if info.pending > 0 then oldest = redis.call('XPENDING', KEYS[1], info.name)[2] or '' end
    local lag, count, more = info.lag or -1, 0, ''
    if lag < 0 then count, more = count_after(info['last-delivered-id']) end
    groups[#groups + 1] = {info.name, lag, info.pending, unread, oldest, count, more}
  end
end
listed = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if not listed.err then
  for number, one in ipairs(listed) do
    if number > most then break end
    local info = map(one)
    consumers[number] = {info.name, info.idle, info.inactive or -1, info.pending}
  end
end
local time = redis.call('TIME')
return {string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)), streams, groups, consumers}
