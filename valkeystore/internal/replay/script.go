package replay

// Script runs in the database, in one step. With ARGV[2], for how long a claim is kept, it looks at the
// epoch, KEYS[1], and makes the claim, KEYS[2]; without it, it looks at the epochs, which all KEYS are. It
// returns ARGV[1], which belongs to this question alone, the claim's key, the verdicts with a space between
// them, the clock, and when there is no claim the eviction policy, which takes the database a moment to say.
//
// Record.Next is what it makes of an epoch, in Go. What is no string is no epoch, and is written over; other
// errors of GET are raised, by a second one.
const Script = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local node = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if not node then
  return redis.error_reply('ERR INFO names no run_id')
end
local function old(key)
  local record = redis.pcall('GET', key)
  if type(record) == 'table' then
    if not string.find(record.err, 'WRONGTYPE', 1, true) then
      redis.call('GET', key)
    end
    record = nil
  end
  local of, start, seen = string.match(record or '', '^1 (%x+) (%d+) (%d+)$')
  start, seen = tonumber(start), tonumber(seen)
  if of ~= node or start > now or now < seen - 1000 or now > seen + 45000 then
    start, seen = now, now - 1000
  end
  if now >= seen + 1000 then
    redis.call('SET', key, string.format('1 %s %.0f %.0f', node, start, now), 'PX', 120000)
  end
  return now - start >= 60000
end
if not ARGV[2] then
  local verdicts = {}
  for i, key in ipairs(KEYS) do
    verdicts[i] = old(key) and 'old' or 'young'
  end
  local policy = string.match(redis.call('INFO', 'memory'), 'maxmemory_policy:([%w-]+)')
  return {ARGV[1], '', table.concat(verdicts, ' '), now, policy or ''}
end
local verdict = 'young'
if old(KEYS[1]) then
  verdict = redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[2]) and 'first' or 'again'
end
return {ARGV[1], KEYS[2], verdict, now}`

// SHA1 is the name of Script in the database.
const SHA1 = "2903128c9f3f34b51bc953e3574baebfa2a22b40"
