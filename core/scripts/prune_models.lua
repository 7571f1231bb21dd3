#!lua flags=allow-oom
-- Delete the model files that nothing points at. Looking and deleting is one step, so a promotion never loses its model.
-- KEYS: production, promotions, models.  ARGV: newest promotions whose models stay.  Returns how many files were deleted.
local kept = {}
for _, field in ipairs({'run_id', 'previous'}) do
  local run = redis.call('HGET', KEYS[1], field)
  if run then kept[run] = true end
end
if tonumber(ARGV[1]) > 0 then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[1])) do
    for i = 1, #entry[2], 2 do
      if entry[2][i] == 'run_id' then kept[entry[2][i + 1]] = true end
    end
  end
end
local deleted = 0
for _, name in ipairs(redis.call('HKEYS', KEYS[3])) do
  local run = string.match(name, '^(.*):sha256$')
  if not kept[run or name] then
    redis.call('HDEL', KEYS[3], name)
    if not run then deleted = deleted + 1 end
  end
end
return deleted
