#!lua flags=allow-oom
-- Acknowledge entries and publish their results in one step.
-- KEYS: source stream, then the output streams.
-- ARGV: group, consumer, then for each entry: id, deliveries, number of outputs, and for each output: number of its
--       stream (1 is the first), number of fields and values, those; the last value is that of 'ts', set here to the
--       server's time
-- Returns {entries committed, ids that were late (already acknowledged by another), server time in ms}.
-- A write that fails puts its entry back (pending, its delivery count kept) and raises; nothing is lost, nothing doubled.
local source, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local MOST_VALUES = 7900 -- unpack stops near 8,000, and would stop after the acknowledgement

-- Whatever can be known to fail fails before the first acknowledgement. 0-0 is no entry: these change nothing, but
-- raise NOGROUP where the group is gone, and NOPERM where putting back would be forbidden.
redis.call('XCLAIM', source, group, consumer, 0, '0-0', 'JUSTID')
for i = 2, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= 'stream' then
    return redis.error_reply('WRONGTYPE output ' .. KEYS[i] .. ' is a ' .. kind .. ', not a stream; move it aside')
  end
  redis.call('XDEL', KEYS[i], '0-0')
end
local at = 3
while at <= #ARGV do
  local id, outputs = ARGV[at], tonumber(ARGV[at + 2])
  at = at + 3
  for _ = 1, outputs do
    local output, values = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    if output < 1 or not KEYS[output + 1] then
      return redis.error_reply('ERR the result of ' .. id .. ' is for output ' .. output .. ', which is not given')
    end
    if values > MOST_VALUES or values % 2 == 1 then
      return redis.error_reply('ERR the result of ' .. id .. ' has ' .. values .. ' names and values; send pairs, at most '
        .. MOST_VALUES)
    end
    at = at + 2 + values
  end
end

local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local committed, late = 0, {}

local function put_back(id, deliveries, written)
  for i = 1, #written do redis.call('XDEL', written[i][1], written[i][2]) end
  redis.call('XCLAIM', source, group, consumer, 0, id, 'RETRYCOUNT', deliveries, 'FORCE', 'JUSTID')
end

at = 3
while at <= #ARGV do
  local id, deliveries, outputs = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  at = at + 3
  local mine = redis.call('XACK', source, group, id) == 1
  if mine then committed = committed + 1 else late[#late + 1] = id end
  local written = {}
  for _ = 1, outputs do
    local key, last = KEYS[tonumber(ARGV[at]) + 1], at + 1 + tonumber(ARGV[at + 1])
    if mine then
      ARGV[last] = now
      local answer = redis.pcall('XADD', key, '*', unpack(ARGV, at + 2, last))
      if type(answer) == 'table' and answer.err then
        put_back(id, deliveries, written)
        return redis.error_reply(answer.err)
      end
      written[#written + 1] = {key, answer}
    end
    at = last + 1
  end
end
return {committed, late, now}
