package replay

// Script runs in the database, in one step: it looks at the epoch, KEYS[1], and makes the claim, KEYS[2], if
// there is one. It returns ARGV[1], which belongs to this question alone, the claim's key, a verdict, the
// clock, and when there is no claim the eviction policy, which takes the database a moment to say.
//
// Record.Next is the same in Go.
const Script = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local node = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if not node then
  return redis.error_reply('ERR INFO names no run_id')
end
local record = redis.call('GET', KEYS[1])
local of, start, seen = string.match(record or '', '^1 (%x+) (%d+) (%d+)$')
start, seen = tonumber(start), tonumber(seen)
if of ~= node or start > now or now < seen - 1000 or now > seen + 45000 then
  start, seen = now, now - 1000
end
if now >= seen + 1000 then
  redis.call('SET', KEYS[1], string.format('1 %s %.0f %.0f', node, start, now), 'PX', 120000)
end
if not KEYS[2] then
  local policy = string.match(redis.call('INFO', 'memory'), 'maxmemory_policy:([%w-]+)')
  return {ARGV[1], '', now - start < 60000 and 'young' or 'old', now, policy or ''}
end
local verdict = 'young'
if now - start >= 60000 then
  verdict = redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[2]) and 'first' or 'again'
end
return {ARGV[1], KEYS[2], verdict, now}`

// SHA1 is the name of Script in the database.
const SHA1 = "b03ab5b4a832eb1f51dbc7a2b587833ab174fe6a"
