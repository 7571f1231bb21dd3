#!lua flags=allow-oom
-- The last step of a native commit: acknowledge the entries whose results were just written, or take all of these back.
-- KEYS: source stream, output stream, string of the first step
-- ARGV: group, the word of the first step, then the ids of the entries in the order of their results
-- Returns {entries committed, ids that were late (already acknowledged by another), server time in ms}, or an error that
-- begins with UNDONE where nothing is acknowledged and nothing written any more.
local source, output, memory, group = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local entries = #ARGV - 2

local kept = redis.call('GET', memory)
redis.call('DEL', memory)
local word, length, last, wrong = unpack(kept and cmsgpack.unpack(kept) or {})
if word ~= ARGV[2] then return redis.error_reply('ERR the first step of this commit is not known') end

local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))

local function written()
  local found = redis.pcall('XRANGE', output, '(' .. last, '+', 'COUNT', entries)
  return found.err and {} or found -- nothing can be behind the largest id, which the server says with an error
end

if wrong == '' and redis.call('XLEN', output) ~= length + entries then
  wrong = 'ERR not every result could be written'
end
if wrong ~= '' then
  local ours = {}
  for i = 3, #ARGV do ours[ARGV[i]] = true end
  for _, entry in ipairs(entries > 0 and written() or {}) do
    for i = 1, #entry[2], 2 do
      if entry[2][i] == 'record' and ours[entry[2][i + 1]] then redis.call('XDEL', output, entry[1]) end
    end
  end
  return redis.error_reply('UNDONE ' .. wrong)
end

local late, copies = {}, nil
for i = 3, #ARGV do
  if redis.call('XACK', source, group, ARGV[i]) == 0 then
    copies = copies or written()
    redis.call('XDEL', output, copies[i - 2][1])
    late[#late + 1] = ARGV[i]
  end
end
return {entries - #late, late, now}
