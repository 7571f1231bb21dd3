#!lua flags=allow-oom
-- Remove consumers that hold nothing: the named one, or (name '') all that were idle for longer than ARGV[3] ms.
-- KEYS: stream.  ARGV: group, consumer or '', idle ms.  Returns how many were removed.
-- Deleting a consumer deletes what is pending under it, so looking and deleting is one step.
-- Redis 7.0 counts idle time from the last entry that was delivered, newer servers from the last attempt. So a living
-- consumer that finds nothing may go on Redis 7.0; it loses nothing, and is made again with its next entry.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local removed = 0
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if consumers.err then
  if string.find(consumers.err, 'NOGROUP', 1, true) then return 0 end -- nothing left to leave
  return redis.error_reply(consumers.err)
end
for _, consumer in ipairs(consumers) do
  local info = {}
  for i = 1, #consumer, 2 do info[consumer[i]] = consumer[i + 1] end
  local chosen = info.name == ARGV[2] or (ARGV[2] == '' and info.idle > tonumber(ARGV[3]))
  if chosen and info.pending == 0 then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], info.name)
    removed = removed + 1
  end
end
return removed
