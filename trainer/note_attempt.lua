#!lua flags=allow-oom
-- Note beside production what an attempt to replace it had and did; a lost production stays lost.
-- KEYS: production.  ARGV: field, value.  Returns 1 where it was noted.
if redis.call('HEXISTS', KEYS[1], 'epoch') == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
