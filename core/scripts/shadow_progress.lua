#!lua flags=no-writes
-- What a shadow did on one partition, at one moment.
-- KEYS: records, the shadow's start, its predictions, its rejected.  ARGV: its group
-- Returns {entries ever added to records (until it ended), entries there, first and last id, last id that the group was handed ('': no
-- group), pending entries, entries ever added to predictions and to rejected, then those two and records' at the start
-- (-1: no start)}
local function stream(key)
  local found = {['entries-added'] = 0, length = 0, ['last-generated-id'] = '0-0', first = '0-0'}
  local info = redis.pcall('XINFO', 'STREAM', key)
  if info.err then return found end
  for i = 1, #info, 2 do found[info[i]] = info[i + 1] end
  local entry = found['first-entry']
  if entry then found.first = entry[1] end
  return found
end
local records, predictions, rejected = stream(KEYS[1]), stream(KEYS[3]), stream(KEYS[4])
local handed, pending = '', 0
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if not groups.err then
  for _, group in ipairs(groups) do
    local info = {}
    for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
    if info.name == ARGV[1] then handed, pending = info['last-delivered-id'], info.pending end
  end
end
local start = redis.call('HMGET', KEYS[2], 'predictions', 'rejected', 'records', 'ended')
return {tonumber(start[4] or records['entries-added']), records.length, records.first, records['last-generated-id'], handed, pending,
  predictions['entries-added'], rejected['entries-added'],
  tonumber(start[1] or -1), tonumber(start[2] or -1), tonumber(start[3] or -1)}
