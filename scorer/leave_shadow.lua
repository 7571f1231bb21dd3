#!lua flags=allow-oom
-- Leave a shadow's group, and take the group away where nobody is left in it and nothing pending.
-- KEYS: records, the shadow's start.  ARGV: its group, consumer.  Returns 1 where the group is gone then, else 0.
-- What comes from then on is noted as none of its business: nothing of it is missed.
-- On Redis 7.0 a living consumer that finds nothing may have been taken for dead: it makes the group again.
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers.err then return 1 end
local left = 0
for _, consumer in ipairs(consumers) do
  local info = {}
  for i = 1, #consumer, 2 do info[consumer[i]] = consumer[i + 1] end
  if info.name == ARGV[2] and info.pending == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], info.name)
  else
    left = left + 1
  end
end
if left > 0 then return 0 end
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  if info[i] == 'entries-added' and redis.call('EXISTS', KEYS[2]) == 1 then
    redis.call('HSET', KEYS[2], 'ended', info[i + 1])
  end
end
redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
return 1
