#!lua flags=allow-oom
-- Make a shadow's group at the newest record, and note what there was when the shadow began.
-- KEYS: records, the shadow's start, its predictions, its rejected.  ARGV: its group, ms that its keys live unrefreshed
-- Returns 1 where the group was made, 0 where it was there.
-- A start is kept as long as its stream goes on: what comes while a group is lost counts as missed, what comes between an
-- orderly end and the next start does not.
local function stream(key)
  local found = {['entries-added'] = 0, ['last-generated-id'] = '0-0'}
  local info = redis.pcall('XINFO', 'STREAM', key)
  if info.err then return found end
  for i = 1, #info, 2 do found[info[i]] = info[i + 1] end
  return found
end
-- Before the group is made: it would not count what is missing here as missed.
local records = stream(KEYS[1])
local kept = redis.call('HMGET', KEYS[2], 'records', 'ended')
local before, ended = tonumber(kept[1] or -1), tonumber(kept[2] or -1)
local added = records['entries-added']
if before < 0 or math.max(before, ended) > added then -- new, or the stream was made anew
  redis.call('HSET', KEYS[2], 'records', added, 'predictions', stream(KEYS[3])['entries-added'],
    'rejected', stream(KEYS[4])['entries-added'])
elseif ended >= 0 then
  redis.call('HSET', KEYS[2], 'records', before + added - ended)
end
redis.call('HDEL', KEYS[2], 'ended')
-- Empty ones, so that what a shadow writes goes some time after it, however it ends.
for i = 3, 4 do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    redis.call('XGROUP', 'CREATE', KEYS[i], ARGV[1], '0-0', 'MKSTREAM')
    redis.call('XGROUP', 'DESTROY', KEYS[i], ARGV[1])
  end
end
for i = 2, 4 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], records['last-generated-id'], 'MKSTREAM')
if made.err then
  if string.find(made.err, 'BUSYGROUP', 1, true) then return 0 end
  return redis.error_reply(made.err)
end
return 1
