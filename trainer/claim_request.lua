#!lua flags=allow-oom
-- Take an answered event up again, unless somebody is at it or tried it since the caller looked: in one step.
-- KEYS: retrain, production.
-- ARGV: group, consumer, event id, field of the last attempt, its value as the caller read it ('' : none), epoch as read
-- Returns 1 where the event is pending for the caller, as if it had never been answered; else 0.
if (redis.call('HGET', KEYS[2], ARGV[4]) or '') ~= ARGV[5] then return 0 end
if redis.call('HGET', KEYS[2], 'epoch') ~= ARGV[6] then return 0 end
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1) > 0 then return 0 end
return #redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'FORCE', 'JUSTID')
