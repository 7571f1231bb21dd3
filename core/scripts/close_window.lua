#!lua flags=allow-oom
-- Close a window by compare-and-set: state, drift entry, samples and retrain event in one step, or nothing.
-- KEYS: monitor hash, drift, samples, retrain
-- ARGV: expected window, its incarnation ('' : none), new window, state, then for each entry to write: number of its
--       stream (1 drift, 2 samples, 3 retrain), number of fields and values, those
-- Returns 1 if written, 0 if another monitor was first, or the state is gone: one that was begun anew since may have got
-- to the same window, but it is another incarnation.
if (redis.call('HGET', KEYS[1], 'window') or '0') ~= ARGV[1] then return 0 end
if (redis.call('HGET', KEYS[1], 'incarnation') or '') ~= ARGV[2] then return 0 end
local FIRST_ENTRY = 5
local MOST_VALUES = 7900 -- unpack stops near 8,000, and would stop after the first write
for i = 2, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= 'stream' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. kind .. ', not a stream; move it aside')
  end
  redis.call('XDEL', KEYS[i], '0-0') -- is no entry: changes nothing, but raises NOPERM where undoing would be forbidden
end
local at = FIRST_ENTRY
while at <= #ARGV do
  local values = tonumber(ARGV[at + 1])
  if values == 0 or values > MOST_VALUES or values % 2 == 1 then
    return redis.error_reply('ERR an entry of ' .. values .. ' names and values; send pairs, at most ' .. MOST_VALUES)
  end
  at = at + 2 + values
end

local written = {}
local function undone(failure)
  for i = 1, #written do redis.call('XDEL', written[i][1], written[i][2]) end
  return redis.error_reply(failure)
end
at = FIRST_ENTRY
while at <= #ARGV do
  local key, last = KEYS[tonumber(ARGV[at]) + 1], at + 1 + tonumber(ARGV[at + 1])
  local answer = redis.pcall('XADD', key, '*', unpack(ARGV, at + 2, last))
  if type(answer) == 'table' and answer.err then return undone(answer.err) end
  written[#written + 1] = {key, answer}
  at = last + 1
end
local answer = redis.pcall('HSET', KEYS[1], 'window', ARGV[3], 'state', ARGV[4])
if type(answer) == 'table' and answer.err then return undone(answer.err) end
return 1
