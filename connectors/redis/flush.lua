-- One flush of one unit: compare the owned marks, set and delete states, advance
-- the marks. Nothing is written before everything was compared.
--   KEYS: marks, states to set, states to delete
--   ARGV: marks header, states to set (count), runs (count),
--         per run: its place in the marks, the bytes expected, the bytes to become,
--         then the states
-- Answers {1} taken, {2} it was taken before, {0, the bytes found of each run}.
local header, sets, runs = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local marks = redis.call('GET', KEYS[1]) or ''
if marks ~= '' and string.sub(marks, 1, 4) ~= string.sub(header, 1, 4) then
  return redis.error_reply('FQVERSION marks of another version')
end
local same, done, found = true, true, {0}
for r = 0, runs - 1 do
  local at, from, to = tonumber(ARGV[4 + 3 * r]), ARGV[5 + 3 * r], ARGV[6 + 3 * r]
  local have = string.sub(marks, at + 1, at + #from)
  have = have .. string.rep('\0', #from - #have)
  same = same and have == from
  done = done and have == to
  found[r + 2] = have
end
if not same then
  if done then return {2} end
  return found
end
-- MSET comes first: if Redis is out of memory it fails here, with nothing written.
local base = 3 + 3 * runs
for i = 1, sets, 500 do
  local pairs = {}
  for j = i, math.min(i + 499, sets) do
    pairs[#pairs + 1] = KEYS[1 + j]
    pairs[#pairs + 1] = ARGV[base + j]
  end
  redis.call('MSET', unpack(pairs))
end
if marks == '' then redis.call('SET', KEYS[1], header) end
for r = 0, runs - 1 do
  redis.call('SETRANGE', KEYS[1], ARGV[4 + 3 * r], ARGV[6 + 3 * r])
end
for i = 2 + sets, #KEYS, 500 do
  redis.call('UNLINK', unpack(KEYS, i, math.min(i + 499, #KEYS)))
end
return {1}
