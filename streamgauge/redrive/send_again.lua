#!lua
-- Send one rejection again: append its record and delete the rejection in one step, so that an interrupted or a
-- second run sends nothing twice. Without allow-oom: a full server refuses it before it writes.
-- KEYS: rejected, records.  ARGV: id of the rejection, then fields and values of the corrected record
-- Returns the new entry's id, or nothing where the rejection is gone.
if #ARGV < 3 or #ARGV > 7901 or #ARGV % 2 == 0 then -- unpack stops near 8,000
  return redis.error_reply('ERR a record of ' .. (#ARGV - 1) .. ' names and values cannot be sent; at most 7900, in pairs')
end
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return false end
redis.call('XDEL', KEYS[1], '0-0') -- no entry: raises where deleting is forbidden, before anything is written
local answer = redis.pcall('XADD', KEYS[2], '*', unpack(ARGV, 2))
if type(answer) == 'table' and answer.err then return redis.error_reply(answer.err) end
redis.call('XDEL', KEYS[1], ARGV[1])
return answer
