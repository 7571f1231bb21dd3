#!lua flags=allow-oom
-- Add a group to the required ones of a pipeline's config, or remove it; of two at once neither is lost.
-- KEYS: config.  ARGV: 'add' or 'remove', group, the groups of a config without the field, joined by commas
-- Returns the groups that are required then, joined by commas; '' where the last one was to go, and stays.
local change, group = ARGV[1], ARGV[2]
local kept, there = {}, false
for name in string.gmatch(redis.call('HGET', KEYS[1], 'required_groups') or ARGV[3], '[^,]+') do
  there = there or name == group
  if change == 'add' or name ~= group then kept[#kept + 1] = name end
end
if change == 'add' and not there then kept[#kept + 1] = group end
local text = table.concat(kept, ',')
if text ~= '' then redis.call('HSET', KEYS[1], 'required_groups', text) end
return text
