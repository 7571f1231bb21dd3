#!lua flags=allow-oom
-- Ask for a scheduled retraining if nothing was asked and nothing promoted for long enough.
-- Looking and asking is one step, so two trainers ask once.
-- KEYS: retrain, promotions.  ARGV: interval in ms, then the event's names and values.  Returns the event's id, or nil.
local newest = 0
for _, key in ipairs(KEYS) do
  local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
  if #last > 0 then newest = math.max(newest, tonumber(string.match(last[1][1], '^(%d+)'))) end
end
local time = redis.call('TIME')
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - newest < tonumber(ARGV[1]) then return false end
return redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))
