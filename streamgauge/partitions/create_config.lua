#!lua
-- Write the set-up of a pipeline that does not exist yet.
-- KEYS: config.  ARGV: fields and values.  Returns 1, or 0 where the pipeline exists.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
