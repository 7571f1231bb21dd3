#!lua flags=allow-oom
-- Change production by compare-and-set on its epoch, and acknowledge the retrain event that led to it.
-- KEYS: production, promotions, models, retrain
-- ARGV: expected epoch, run id, sha256 ('' : the model is stored already), model bytes, reason, group, event id ('' : none),
--       the decision as JSON ('' : none), field where attempts at events are noted, its value as the caller read it
-- Returns {1, previous run id or '', epoch, server time in ms} | {0, epoch now} | {-1} where the event was answered meanwhile
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch') or '0')
if epoch ~= tonumber(ARGV[1]) then return {0, epoch} end
for i, expected in pairs({[2] = 'stream', [3] = 'hash', [4] = 'stream'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= expected then
    return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. kind .. ', not a ' .. expected .. '; move it aside')
  end
end
if ARGV[7] ~= '' then
  local pending = redis.pcall('XPENDING', KEYS[4], ARGV[6], ARGV[7], ARGV[7], 1)
  if pending.err then
    -- a lost group knows of no answer
    if not string.find(pending.err, 'NOGROUP', 1, true) then return redis.error_reply(pending.err) end
  elseif #pending == 0 then
    return {-1}
  end
  local noted = redis.call('HGET', KEYS[1], ARGV[9]) or ''
  if noted ~= ARGV[10] and string.find(noted, ARGV[7] .. ' ', 1, true) == 1 then return {-1} end
end
-- 0-0 is no entry: these change nothing, but raise NOPERM before the first write
redis.call('XDEL', KEYS[2], '0-0')
if ARGV[7] ~= '' then redis.call('XACK', KEYS[4], ARGV[6], '0-0') end
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local previous = redis.call('HGET', KEYS[1], 'run_id') or ''
if previous == ARGV[2] then -- over itself: a rollback still leads away
  previous = redis.call('HGET', KEYS[1], 'previous') or ''
end
-- the model first: without its promotion it does no harm
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[4], ARGV[2] .. ':sha256', ARGV[3])
end
local promotion = {'_v', '1', 'run_id', ARGV[2], 'previous', previous, 'epoch', epoch + 1, 'reason', ARGV[5], 'ts', now}
if ARGV[8] ~= '' then
  promotion[#promotion + 1] = 'decision'
  promotion[#promotion + 1] = ARGV[8]
end
local told = redis.call('XADD', KEYS[2], '*', unpack(promotion))
local answer = redis.pcall('HSET', KEYS[1], 'run_id', ARGV[2], 'previous', previous, 'epoch', epoch + 1,
  'updated_ts_ms', now)
if type(answer) == 'table' and answer.err then
  redis.call('XDEL', KEYS[2], told)
  return redis.error_reply(answer.err)
end
if ARGV[7] ~= '' then redis.call('XACK', KEYS[4], ARGV[6], ARGV[7]) end
return {1, previous, epoch + 1, now}
