#!lua flags=allow-oom
-- Trim a stream by age and size, never past what its readers still need: by id, and by length only where there is no
-- floor.
-- KEYS: stream, then (optional) the string that keeps the floor
-- ARGV: keep ms, keep bytes, explicit floor id ('' : none), then the required groups
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

-- the floor: of each required group the oldest pending entry, or the one after its last delivered
local floor = ARGV[3]
if #ARGV > 3 then
  local groups = {}
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local info = {}
    for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
    groups[info.name] = info
  end
  for i = 4, #ARGV do
    local name = ARGV[i]
    local info = groups[name]
    if not info then return {0, ''} end
    local needed = after(info['last-delivered-id'])
    if info.pending > 0 then
      local oldest = redis.call('XPENDING', stream, name)[2]
      if smaller(oldest, needed) then needed = oldest end -- it is larger after an XGROUP SETID backwards
    end
    if floor == '' or smaller(needed, floor) then floor = needed end
  end
  if KEYS[2] then redis.call('SET', KEYS[2], floor) end
end

local length = redis.call('XLEN', stream)
if length == 0 then return {0, floor} end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local cut = now - keep_ms

local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 20)
local bytes = 0
for _, entry in ipairs(newest) do
  for i = 1, #entry[2] do bytes = bytes + #entry[2][i] end
end
local kept = math.max(1, math.floor(keep_bytes / math.max(bytes / #newest, 1)))
local trimmed = 0
if length > kept then
  if floor == '' then
    trimmed = redis.call('XTRIM', stream, 'MAXLEN', kept) -- nobody's entries: the length says it exactly
  else
    -- the size limit, as an id: entries are taken as evenly spread in time, which later calls correct
    local first = tonumber((parts(redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1][1])))
    local last = tonumber((parts(newest[1][1])))
    cut = math.max(cut, first + math.floor((last - first) * (1 - kept / length)))
  end
end
local minimum = string.format('%.0f-0', math.min(math.max(cut, 0), 2^53))
if floor ~= '' and smaller(floor, minimum) then minimum = floor end
return {trimmed + redis.call('XTRIM', stream, 'MINID', minimum), floor}
