#!lua flags=allow-oom
-- Trim a stream by age and size, oldest first, never past its floor.
-- KEYS: stream, then (optional) the string that keeps the first entry which one group still needs, then (optional, where
--       the stream holds results) the stream of which they are results
-- ARGV: keep ms, keep bytes, explicit floor id ('' : none), group whose first needed entry is written to KEYS[2], or ''
--       where KEYS[2] is read: the stream holds results, and those of what the group still needs stay; then the
--       required groups
-- Returns {entries trimmed, floor id or ''}
local stream = KEYS[1]
local keep_ms, keep_bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
if redis.call('TYPE', stream).ok ~= 'stream' then return {0, ''} end

-- Parts of an id stay text: 64 bits do not fit a Lua number, and rounding up would trim an unread entry.
local function parts(id)
  local ms, seq = string.match(id, '^0*(%d+)%-?0*(%d*)$')
  return ms, seq ~= '' and seq or '0'
end
local function less(a, b) return #a < #b or (#a == #b and a < b) end
local function smaller(a, b)
  local a_ms, a_seq = parts(a)
  local b_ms, b_seq = parts(b)
  return less(a_ms, b_ms) or (a_ms == b_ms and less(a_seq, b_seq))
end
local function after(id)
  local ms, seq = parts(id)
  local head, digit, nines = string.match(seq, '^(%d-)([0-8]?)(9*)$')
  local following = head .. (digit ~= '' and string.char(string.byte(digit) + 1) or '1') .. string.rep('0', #nines)
  if less('18446744073709551615', following) then return id end -- the last of its ms: one entry more is kept
  return ms .. '-' .. following
end

-- the first entry that a group still needs: its oldest pending one, or the one after its last delivered
local groups = {}
if #ARGV > 4 or ARGV[4] ~= '' then
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local info = {}
    for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
    groups[info.name] = info
  end
end
local function needed_by(name)
  local info = groups[name]
  if not info then return nil end
  local needed = after(info['last-delivered-id'])
  if info.pending > 0 then
    local oldest = redis.call('XPENDING', stream, name)[2]
    if smaller(oldest, needed) then needed = oldest end -- it is larger after an XGROUP SETID backwards
  end
  return needed
end

local floor = ARGV[3]
local function not_beyond(id)
  if floor == '' or smaller(id, floor) then floor = id end
end
if KEYS[2] and ARGV[4] ~= '' then
  local needed = needed_by(ARGV[4])
  if needed then redis.call('SET', KEYS[2], needed) end -- also where nothing is trimmed: a lost group begins there
elseif KEYS[2] then
  -- a result is written later than its record, so what lies before that millisecond is of records before it
  local needed = redis.call('GET', KEYS[2]) or ''
  local ms = string.match(needed, '^(%d+)%-%d+$')
  if not ms then return {0, ''} end
  -- and where each record has its result, none is needed: else a full server, which takes no records, stayed full
  local newest
  if KEYS[3] and redis.call('TYPE', KEYS[3]).ok == 'stream' then
    local info = redis.call('XINFO', 'STREAM', KEYS[3])
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' then newest = info[i + 1] end
    end
  end
  if not newest or not smaller(newest, needed) then not_beyond(ms .. '-0') end
end
for i = 5, #ARGV do
  local needed = needed_by(ARGV[i])
  if not needed then return {0, ''} end
  not_beyond(needed)
end

-- by age
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local minimum = string.format('%.0f-0', math.min(math.max(now - keep_ms, 0), 2^53))
local bound = floor ~= '' and floor or '18446744073709551615-18446744073709551615'
if smaller(bound, minimum) then minimum = bound end
local trimmed = redis.call('XTRIM', stream, 'MINID', minimum)

-- By size, as the server measures it (1 to 2 ms for 256 MiB), in steps: each as large as the oldest entries and the
-- mean of all suggest, whichever weigh more, and at most four times the one before, as what follows may weigh more
-- than both. Whole nodes go, so a few KiB too many may stay.
local SEEN = 20
local step = SEEN
while true do
  local length, size = redis.call('XLEN', stream), redis.call('MEMORY', 'USAGE', stream, 'SAMPLES', '0')
  if length < 2 or size <= keep_bytes then break end
  local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', SEEN)
  if not smaller(oldest[1][1], bound) then break end
  local bytes = 0
  for _, entry in ipairs(oldest) do
    for i = 1, #entry[2] do bytes = bytes + #entry[2][i] end
  end
  local entry_bytes = math.max(bytes / #oldest, size / length)
  local wanted = math.min(math.ceil((size - keep_bytes) / entry_bytes), length - 1)
  local gone = redis.call('XTRIM', stream, 'MINID', '~', bound, 'LIMIT', math.min(wanted, step))
  if gone == 0 and step >= wanted then break end
  trimmed, step = trimmed + gone, step * 4
end
return {trimmed, floor}
