#!lua flags=allow-oom
-- Create the scorers' group in one step with what was open in the one that was lost.
-- KEYS: records stream, predictions, rejected, then (where it is of an older stream, and goes) the stored floor
-- ARGV: group, start id, consumer, idle ms, last id of predictions, of rejected and of records when the caller began to
--       look ('0-0': none), then ids of entries up to start that are unanswered
-- Returns 1, 0 where the group is there already, or -1 where results came since the caller looked, or the records
-- stream was made anew.
local function last_id(stream)
  local info = redis.pcall('XINFO', 'STREAM', stream)
  if info.err then return '0-0' end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return info[i + 1] end
  end
end
-- Parts of an id stay text: 64 bits do not fit a Lua number.
local function smaller(a, b)
  local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
  local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
  if a_ms == b_ms then a_ms, b_ms = a_seq, b_seq end
  return #a_ms < #b_ms or (#a_ms == #b_ms and a_ms < b_ms)
end
if last_id(KEYS[2]) ~= ARGV[5] or last_id(KEYS[3]) ~= ARGV[6] then return -1 end
if smaller(last_id(KEYS[1]), ARGV[7]) then return -1 end

local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM')
if made.err then
  if string.find(made.err, 'BUSYGROUP', 1, true) then return 0 end
  return redis.error_reply(made.err)
end
if KEYS[4] then redis.call('DEL', KEYS[4]) end
-- pending and idle for as long as a dead worker's entries: whoever looks first takes them over
for i = 8, #ARGV do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, ARGV[i], 'IDLE', ARGV[4], 'FORCE', 'JUSTID')
end
return 1
