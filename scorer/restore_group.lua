#!lua flags=allow-oom
-- Create the scorers' group in one step with what was open in the one that was lost.
-- KEYS: records stream, predictions, rejected.  ARGV: group, start id, consumer, idle ms, last id of predictions and of
--       rejected when the caller began to look ('0-0': none), then ids of entries up to start that are unanswered
-- Returns 1, 0 where the group is there already, or -1 where results came since the caller looked.
local function last_id(stream)
  local info = redis.pcall('XINFO', 'STREAM', stream)
  if info.err then return '0-0' end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
end
if last_id(KEYS[2]) ~= ARGV[5] or last_id(KEYS[3]) ~= ARGV[6] then return -1 end

local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM')
if made.err then
  if string.find(made.err, 'BUSYGROUP', 1, true) then return 0 end
  return redis.error_reply(made.err)
end
-- pending and idle for as long as a dead worker's entries: whoever looks first takes them over
for i = 7, #ARGV do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, ARGV[i], 'IDLE', ARGV[4], 'FORCE', 'JUSTID')
end
return 1
