package redis

import "github.com/redis/go-redis/v9"

// flushScript writes one unit (SEMANTICS §6.2). KEYS[1] is the positions' key,
// the others are states. ARGV: the header, the number n of partitions, then n
// times (partition, expected entry, new entry), then one value per state key,
// the empty string to delete it. It answers {1} when it wrote, or when the new
// entries are there already (a repeated flush); {0, entries…} otherwise.
var flushScript = redis.NewScript(`
local n, head, size = tonumber(ARGV[2]), 16, 20
local same, done, found = true, true, {0}
for i = 0, n - 1 do
  local at = head + size * tonumber(ARGV[3 + 3 * i])
  local e = redis.call('GETRANGE', KEYS[1], at, at + size - 1)
  if #e < size then e = e .. string.rep('\0', size - #e) end
  found[i + 2] = e
  if e ~= ARGV[4 + 3 * i] then same = false end
  if e ~= ARGV[5 + 3 * i] then done = false end
end
if not same then
  if done and n > 0 then return {1} end
  return found
end
local base, sets = 3 + 3 * n, {}
for i = 2, #KEYS do
  local v = ARGV[base + i - 2]
  if v == '' then
    redis.call('DEL', KEYS[i])
  else
    sets[#sets + 1] = KEYS[i]
    sets[#sets + 1] = v
    if #sets >= 2000 then
      redis.call('MSET', unpack(sets))
      sets = {}
    end
  end
end
if #sets > 0 then redis.call('MSET', unpack(sets)) end
if n > 0 then redis.call('SETRANGE', KEYS[1], 0, ARGV[1]) end
for i = 0, n - 1 do
  redis.call('SETRANGE', KEYS[1], head + size * tonumber(ARGV[3 + 3 * i]), ARGV[5 + 3 * i])
end
return {1}
`)

// claimScript raises the generation of partitions. KEYS[1] is the positions'
// key; ARGV the header, then the partitions. It answers the new entries.
var claimScript = redis.NewScript(`
local head, size, out = 16, 20, {}
redis.call('SETRANGE', KEYS[1], 0, ARGV[1])
for i = 2, #ARGV do
  local at = head + size * tonumber(ARGV[i])
  local e = redis.call('GETRANGE', KEYS[1], at, at + size - 1)
  if #e < size then e = e .. string.rep('\0', size - #e) end
  local g, carry = {}, 1
  for b = 8, 1, -1 do
    local v = string.byte(e, b) + carry
    carry = 0
    if v > 255 then v = 0 carry = 1 end
    g[b] = string.char(v)
  end
  e = table.concat(g) .. string.sub(e, 9)
  redis.call('SETRANGE', KEYS[1], at, e)
  out[#out + 1] = e
end
return out
`)
