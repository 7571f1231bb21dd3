#!lua flags=allow-oom
-- Ask to retrain because of alerts, unless that was asked: look, write and remember the alerts in one step, or nothing.
-- It shares what was asked before with close_window.lua (see asked.lua, which goes before this).
-- KEYS: monitor hash, retrain, then one for each alert, which remembers it. Production is none: its reader may not
--       write it, and a server takes what a script names for written.
-- ARGV: model in production, since when in ms, shortest time between two events in ms, time in ms for which an alert is
--       remembered, number of the event's names and values, those, then for each alert when it began in ms
-- Returns outcome of the new alerts ('' : none is new), id of the event that stands for them ('' : none), how many are
-- new, were told before, began before production changed.
local FIRST_ALERT, FIRST_VALUE = 3, 6
local model, since_ms, cooldown_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local kept_ms, values = ARGV[4], tonumber(ARGV[5])
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'none' and kind ~= 'stream' then
  return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' is a ' .. kind .. ', not a stream; move it aside')
end
redis.call('XDEL', KEYS[2], '0-0') -- is no entry: changes nothing, but raises NOPERM where undoing would be forbidden

local new, told_before, outdated, event = {}, 0, 0, ''
for i = FIRST_ALERT, #KEYS do
  local stands_for_it = redis.call('GET', KEYS[i])
  if stands_for_it then
    told_before, event = told_before + 1, stands_for_it
    redis.call('SET', KEYS[i], stands_for_it, 'PX', kept_ms) -- it is remembered for as long as it is said again
  elseif tonumber(ARGV[FIRST_VALUE + values + i - FIRST_ALERT]) < since_ms then
    outdated = outdated + 1
  else
    new[#new + 1] = KEYS[i]
  end
end
if #new == 0 then return {'', event, 0, told_before, outdated} end

local function remember(id)
  for _, key in ipairs(new) do
    local answer = redis.pcall('SET', key, id, 'PX', kept_ms)
    if answer.err then return answer.err end
  end
end

local before, episode = asked_before(KEYS[1]), redis.call('HGET', KEYS[1], 'episode') or ''
if before and ((before.episode ~= '' and before.episode == episode)
    or (before.model == model and unanswered(KEYS[2], before.id))) then
  local failure = remember(before.id)
  if failure then return redis.error_reply(failure) end
  return {'coalesced', before.id, #new, told_before, outdated}
end
if before and younger_than(before.id, cooldown_ms) then
  return {'cooldown', before.id, #new, told_before, outdated} -- not remembered: said again later, it may ask
end

local fields = {unpack(ARGV, FIRST_VALUE, FIRST_VALUE + values - 1)}
if episode ~= '' then
  for _, field in ipairs({'episode', episode}) do fields[#fields + 1] = field end
end
local id = redis.call('XADD', KEYS[2], '*', unpack(fields))
local noted = redis.pcall('HSET', KEYS[1], 'asked', asked_note(id, episode, model))
local failure = type(noted) == 'table' and noted.err
if not failure then
  failure = remember(id)
  if failure and before then redis.call('HSET', KEYS[1], 'asked', before.noted) end
  if failure and not before then redis.call('HDEL', KEYS[1], 'asked') end
end
if failure then
  redis.call('XDEL', KEYS[2], id)
  return redis.error_reply(failure)
end
return {'written', id, #new, told_before, outdated}
