#!lua flags=allow-oom
-- Retire the oldest labels: what never found its record goes to unmatched and all of them leave, in one step, or nothing.
-- KEYS: labels, unmatched.  ARGV: id of the oldest label as it was read, id below which labels leave,
--       then for each unmatched entry: number of names and values, those
-- Returns how many label entries left; -1 where another trainer was first.
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if #oldest == 0 or oldest[1][1] ~= ARGV[1] then return -1 end
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'none' and kind ~= 'stream' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' is a ' .. kind .. ', not a stream; move it aside')
end
-- these change nothing, but raise NOPERM where undoing or trimming would be forbidden
redis.call('XDEL', KEYS[2], '0-0')
redis.call('XTRIM', KEYS[1], 'MINID', '0-0')
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local written = {}
local at = 3
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  local answer = redis.pcall('XADD', KEYS[2], '*', 'ts', now, unpack(ARGV, at + 1, last))
  at = last + 1
  if type(answer) == 'table' and answer.err then
    for _, id in ipairs(written) do redis.call('XDEL', KEYS[2], id) end
    return redis.error_reply(answer.err)
  end
  written[#written + 1] = answer
end
return redis.call('XTRIM', KEYS[1], 'MINID', ARGV[2])
