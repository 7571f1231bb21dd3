#!lua flags=allow-oom
-- Refresh the idle time of entries that a consumer holds; those that are no longer its own are left alone.
-- KEYS: stream.  ARGV: group, consumer, then entry ids.  Returns how many are still its own.
local held = 0
for i = 3, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if #pending == 1 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID') -- JUSTID leaves the delivery count alone
    held = held + 1
  end
end
return held
