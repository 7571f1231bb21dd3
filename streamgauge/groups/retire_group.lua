#!lua flags=allow-oom
-- Destroy a group where it holds nothing, or whatever it holds; looking and destroying is one step.
-- KEYS: stream.  ARGV: group, '1' to destroy it in spite of pending entries
-- Returns pending entries, negative less one where it was therefore left, or nothing where there is no such group.
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then return false end
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local info = {}
  for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
  if info.name == ARGV[1] then
    if info.pending > 0 and ARGV[2] ~= '1' then return -1 - info.pending end
    redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
    return info.pending
  end
end
return false
