-- What monitor and webhook share: the newest request that either of them wrote, so that one episode gives one. It
-- stands in the monitor's hash: field asked, '<event id> <episode or -> <model>'. The text goes before other scripts.
local TRAINERS = 'trainers'

local function asked_before(monitor)
  local noted = redis.call('HGET', monitor, 'asked')
  if not noted then return nil end
  local id, episode, model = string.match(noted, '^(%d+%-%d+) (%S+) (.*)$')
  return id and {id = id, episode = episode ~= '-' and episode or '', model = model, noted = noted}
end

local function asked_note(id, episode, model)
  return id .. ' ' .. (episode ~= '' and episode or '-') .. ' ' .. model
end

local function parts_of(id)
  local ms, sequence = string.match(id, '^(%d+)%-(%d+)$')
  return tonumber(ms), tonumber(sequence)
end

-- No trainer has got it yet, or one has and is still at it.
local function unanswered(retrain, id)
  if redis.call('TYPE', retrain).ok ~= 'stream' then return false end -- it is gone, and with it who would answer
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', retrain)) do
    local said = {}
    for i = 1, #group, 2 do said[group[i]] = group[i + 1] end
    if said['name'] == TRAINERS then
      local ms, sequence = parts_of(id)
      local last_ms, last_sequence = parts_of(said['last-delivered-id'])
      if last_ms < ms or (last_ms == ms and last_sequence < sequence) then return true end
      return #redis.call('XPENDING', retrain, TRAINERS, id, id, 1) > 0
    end
  end
  return true
end

-- Written less than so many ms ago, by the server's clock.
local function younger_than(id, ms)
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - parts_of(id) < ms
end
