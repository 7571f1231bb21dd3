#!lua flags=allow-oom
-- The first step of a native commit: look at all that may be wrong, and remember what the last step compares with.
-- KEYS: source stream, output stream, string for what is remembered
-- ARGV: group, consumer, word that no other call has
-- Returns nothing. It must not raise, for a transaction goes on behind an error: what is wrong is remembered.
local source, output, memory = KEYS[1], KEYS[2], KEYS[3]
local wrong = ''

local function tried(...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  if wrong == '' then wrong = answer.err end
end

-- 0-0 is no entry: this changes nothing, but fails where the group is gone.
tried('XCLAIM', source, ARGV[1], ARGV[2], 0, '0-0', 'JUSTID')
local length = tried('XLEN', output)
local newest = (tried('XREVRANGE', output, '+', '-', 'COUNT', 1) or {})[1]
tried('SET', memory, cmsgpack.pack({ARGV[3], length or 0, newest and newest[1] or '0-0', wrong}), 'PX', 10000)
