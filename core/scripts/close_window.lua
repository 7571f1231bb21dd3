#!lua flags=allow-oom
-- Close a window by compare-and-set: state, drift entry, samples and retrain event in one step, or nothing. The event is
-- left out where an alert asked for the same before (see asked.lua, which goes before this).
-- KEYS: monitor hash, drift, samples, retrain
-- ARGV: expected window, its incarnation ('' : none), new window, state, open episode ('' : none), model that judged it,
--       shortest time between two events in ms, then for each entry to write: number of its stream (1 drift, 2 samples,
--       3 retrain), number of fields and values, those
-- Returns 1 if written, 2 if written but for the event, 0 if another monitor was first, or the state is gone: one that
-- was begun anew since may have got to the same window, but it is another incarnation.
if (redis.call('HGET', KEYS[1], 'window') or '0') ~= ARGV[1] then return 0 end
if (redis.call('HGET', KEYS[1], 'incarnation') or '') ~= ARGV[2] then return 0 end
local FIRST_ENTRY = 8
local RETRAIN = 3
local MOST_VALUES = 7900 -- unpack stops near 8,000, and would stop after the first write
for i = 2, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= 'stream' then
    return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. kind .. ', not a stream; move it aside')
  end
  redis.call('XDEL', KEYS[i], '0-0') -- is no entry: changes nothing, but raises NOPERM where undoing would be forbidden
end
local at, asks = FIRST_ENTRY, false
while at <= #ARGV do
  local values = tonumber(ARGV[at + 1])
  asks = asks or tonumber(ARGV[at]) == RETRAIN
  if values == 0 or values > MOST_VALUES or values % 2 == 1 then
    return redis.error_reply('ERR an entry of ' .. values .. ' names and values; send pairs, at most ' .. MOST_VALUES)
  end
  at = at + 2 + values
end

-- an alert counts for the episode that opens next: while no trainer has answered it, and for the shortest time between
-- two events. One in an episode that has asked for nothing yet, as that of records that cannot be used, counts for it
-- until it is answered: an answer from before the drift is none to it
local function asked_already()
  local before = asked_before(KEYS[1])
  if not before or before.model ~= ARGV[6] then return nil end
  if before.episode ~= '' and before.episode ~= ARGV[5] then return nil end
  if unanswered(KEYS[4], before.id) then return before end
  return before.episode == '' and younger_than(before.id, tonumber(ARGV[7])) and before or nil
end

local written, before, asked = {}, asks and asked_already() or nil, nil -- looked up before anything is written
local function undone(failure)
  for i = 1, #written do redis.call('XDEL', written[i][1], written[i][2]) end
  return redis.error_reply(failure)
end
at = FIRST_ENTRY
while at <= #ARGV do
  local stream, last = tonumber(ARGV[at]), at + 1 + tonumber(ARGV[at + 1])
  if stream == RETRAIN and before then
    asked = before.id
  else
    local answer = redis.pcall('XADD', KEYS[stream + 1], '*', unpack(ARGV, at + 2, last))
    if type(answer) == 'table' and answer.err then return undone(answer.err) end
    written[#written + 1] = {KEYS[stream + 1], answer}
    if stream == RETRAIN then asked = answer end
  end
  at = last + 1
end
local fields = {'window', ARGV[3], 'state', ARGV[4], 'episode', ARGV[5]}
if asked then
  fields[#fields + 1] = 'asked'
  fields[#fields + 1] = asked_note(asked, ARGV[5], ARGV[6])
end
local answer = redis.pcall('HSET', KEYS[1], unpack(fields))
if type(answer) == 'table' and answer.err then return undone(answer.err) end
return before and 2 or 1
