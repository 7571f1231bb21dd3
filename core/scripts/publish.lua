#!lua
-- Publish records idempotently, with backpressure. Without allow-oom: a full server refuses it before it writes.
-- KEYS: records, producer's sequence key.
-- ARGV: sequence, most unread entries, most unread bytes, seconds to remember the sequence, number of required groups,
--       those, then for each entry: number of fields and values, those
-- Returns {'OK', id of the last entry} | {'DUPLICATE'} | {'GAP', last sequence} | {'FULL', group}
local records, sequence_key = KEYS[1], KEYS[2]
local sequence, max_entries, max_bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local MOST_VALUES = 7900 -- unpack stops near 8,000, and would stop between two entries

local last = tonumber(redis.call('GET', sequence_key) or '0')
if sequence <= last then
  -- Always a write, so that WAITAOF on this connection waits for what an earlier one wrote.
  redis.call('SET', sequence_key, last, 'EX', ARGV[4])
  return {'DUPLICATE'}
end
if sequence > last + 1 then return {'GAP', last} end

local first = 6 + tonumber(ARGV[5])
local at = first
while at <= #ARGV do
  local values = tonumber(ARGV[at])
  if values == 0 or values > MOST_VALUES or values % 2 == 1 then
    return redis.error_reply('ERR a record of ' .. values .. ' names and values cannot be published; send pairs, at most '
      .. MOST_VALUES .. ', or a block')
  end
  at = at + 1 + values
end

local function unread_after(id)
  local count, cursor = 0, '(' .. id
  while count <= max_entries do
    local part = redis.call('XRANGE', records, cursor, '+', 'COUNT', 100)
    if #part == 0 then break end
    count = count + #part
    cursor = '(' .. part[#part][1]
  end
  return count
end

-- What is kept bounds what is unread, so while that fits nothing needs counting.
local kept = redis.call('XLEN', records)
local entry_bytes = 0
if kept > 0 then
  local newest = redis.call('XREVRANGE', records, '+', '-', 'COUNT', 3)
  for _, entry in ipairs(newest) do
    for i = 1, #entry[2] do entry_bytes = entry_bytes + #entry[2][i] end
  end
  entry_bytes = entry_bytes / #newest
end
if kept > max_entries or kept * entry_bytes > max_bytes then
  local groups = {}
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', records)) do
    local info = {}
    for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
    groups[info.name] = info
  end
  local most, holder = -1, ''
  for i = 6, 5 + tonumber(ARGV[5]) do
    local name = ARGV[i]
    local info = groups[name]
    local unread = kept
    if info then
      -- lag is nil where the server lost count; Redis 7.0 counts what was trimmed unread, too
      unread = math.min(info.lag or unread_after(info['last-delivered-id']), kept)
    end
    if unread > most then most, holder = unread, name end
  end
  if most > max_entries or most * entry_bytes > max_bytes then return {'FULL', holder} end
end

local written = {}
at = first
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  local answer = redis.pcall('XADD', records, '*', unpack(ARGV, at + 1, last))
  at = last + 1
  if type(answer) == 'table' and answer.err then
    -- only an exhausted stream refuses the second of two; what was written in this call was seen by nobody yet
    for _, id in ipairs(written) do redis.call('XDEL', records, id) end
    return redis.error_reply(answer.err)
  end
  written[#written + 1] = answer
end
redis.call('SET', sequence_key, ARGV[1], 'EX', ARGV[4])
return {'OK', written[#written]}
