#!lua flags=allow-oom
-- Note beside production what an attempt to replace it had and did; a lost production stays lost.
-- KEYS: production.  ARGV: field, value, value as the caller read it, event id.
-- Returns 0 where another attempt at the event was noted since the caller looked, which stands; else 1.
if redis.call('HEXISTS', KEYS[1], 'epoch') == 0 then return 1 end
local noted = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if noted ~= ARGV[3] and string.find(noted, ARGV[4] .. ' ', 1, true) == 1 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
