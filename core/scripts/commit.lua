#!lua flags=allow-oom
-- Acknowledge entries and publish their results in one step.
-- KEYS: source stream, then the output streams.
-- ARGV: group, consumer, form, and then by form
--   'each': for each entry its id, deliveries, number of outputs, and for each output: number of its stream (1 is the
--       first), number of fields and values, those; the last value is that of 'ts', set here to the server's time
--   'alike', where every entry was delivered once and has one output of the same shape: number of its stream, number w
--       of fields and values, number v of values that differ, their v places, the place of the entry's own id or 0, the
--       w values ('ts' is added here), the ids (MessagePack list of text), and how the values that differ stand in what
--       follows, v for each entry: 'values' (as they are), 'texts' (one MessagePack list of text), or the format of
--       struct.unpack for those of one entry (one string)
-- Returns {entries committed, ids that were late (already acknowledged by another), server time in ms}.
-- A write that fails puts its entry back (pending, its delivery count kept) and raises; nothing is lost, nothing doubled.
local source, group, consumer = KEYS[1], ARGV[1], ARGV[2]
local MOST_VALUES = 7900 -- unpack stops near 8,000, and would stop after the acknowledgement

-- Whatever can be known to fail fails before the first acknowledgement. 0-0 is no entry: these change nothing, but
-- raise NOGROUP where the group is gone, and NOPERM where putting back would be forbidden.
redis.call('XCLAIM', source, group, consumer, 0, '0-0', 'JUSTID')
for i = 2, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= 'stream' then
    return redis.error_reply('WRONGTYPE output ' .. KEYS[i] .. ' is a ' .. kind .. ', not a stream; move it aside')
  end
  redis.call('XDEL', KEYS[i], '0-0')
end

local function check(id, output, values)
  if output < 1 or not KEYS[output + 1] then
    return 'ERR the result of ' .. id .. ' is for output ' .. output .. ', which is not given'
  end
  if values > MOST_VALUES or values % 2 == 1 then
    return 'ERR the result of ' .. id .. ' has ' .. values .. ' names and values; send pairs, at most ' .. MOST_VALUES
  end
end

local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local committed, late = 0, {}

local function acknowledge(id)
  if redis.call('XACK', source, group, id) == 1 then
    committed = committed + 1
    return true
  end
  late[#late + 1] = id
  return false
end

local function put_back(id, deliveries, written)
  for i = 1, #written do redis.call('XDEL', written[i][1], written[i][2]) end
  redis.call('XCLAIM', source, group, consumer, 0, id, 'RETRYCOUNT', deliveries, 'FORCE', 'JUSTID')
end

local function failed(answer)
  return type(answer) == 'table' and answer.err
end

if ARGV[3] == 'alike' then
  local output, width, varying = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
  local wrong = check('alike entries', output, width + 2)
  if wrong then return redis.error_reply(wrong) end
  local key, own, places = KEYS[output + 1], tonumber(ARGV[7 + varying]), {}
  for i = 1, varying do places[i] = tonumber(ARGV[6 + i]) end
  local at = 8 + varying + width
  local values = {unpack(ARGV, 8 + varying, at - 1)}
  values[width + 1], values[width + 2] = 'ts', now

  local ids, form = cmsgpack.unpack(ARGV[at]), ARGV[at + 1]
  local given, first, format = ARGV, at + 2, nil -- v values an entry from given[first] on, or by format from given
  if form == 'texts' then
    given, first = cmsgpack.unpack(ARGV[at + 2]), 1
  elseif form ~= 'values' then
    given, first, format = ARGV[at + 2], 1, form
  end
  local there = format and math.floor(#given / struct.size(format)) * varying or #given + 1 - first
  if there ~= #ids * varying then
    return redis.error_reply('ERR there are ' .. there .. ' values for ' .. #ids .. ' entries of ' .. varying)
  end

  local pcall, unpacked = redis.pcall, struct.unpack
  for n = 1, #ids do
    local id = ids[n]
    if acknowledge(id) then
      local from, offset = given, first + (n - 1) * varying - 1
      if format then
        from, offset = {unpacked(format, given, first + (n - 1) * struct.size(format))}, 0
      end
      for i = 1, varying do values[places[i]] = from[offset + i] end
      if own > 0 then values[own] = id end
      local answer = pcall('XADD', key, '*', unpack(values))
      if failed(answer) then
        put_back(id, 1, {})
        return redis.error_reply(answer.err)
      end
    end
  end
  return {committed, late, now}
end

local at = 4
while at <= #ARGV do
  local id, outputs = ARGV[at], tonumber(ARGV[at + 2])
  at = at + 3
  for _ = 1, outputs do
    local values = tonumber(ARGV[at + 1])
    local wrong = check(id, tonumber(ARGV[at]), values)
    if wrong then return redis.error_reply(wrong) end
    at = at + 2 + values
  end
end

at = 4
while at <= #ARGV do
  local id, deliveries, outputs = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  at = at + 3
  local mine, written = acknowledge(id), {}
  for _ = 1, outputs do
    local key, last = KEYS[tonumber(ARGV[at]) + 1], at + 1 + tonumber(ARGV[at + 1])
    if mine then
      ARGV[last] = now
      local answer = redis.pcall('XADD', key, '*', unpack(ARGV, at + 2, last))
      if failed(answer) then
        put_back(id, deliveries, written)
        return redis.error_reply(answer.err)
      end
      written[#written + 1] = {key, answer}
    end
    at = last + 1
  end
end
return {committed, late, now}
