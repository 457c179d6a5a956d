-- Move the marks of many units that stand at one place on to another.
--   KEYS: the marks of each unit
--   ARGV: marks header, runs (count), per run: its place in the marks, the bytes
--         expected, the bytes to become
-- Answers the numbers of the keys that stand elsewhere; nothing of those is written.
local header, runs = ARGV[1], tonumber(ARGV[2])
local others = {}
for k = 1, #KEYS do
  local marks = redis.call('GET', KEYS[k]) or ''
  local same = marks == '' or string.sub(marks, 1, 4) == string.sub(header, 1, 4)
  for r = 0, runs - 1 do
    local at, from = tonumber(ARGV[3 + 3 * r]), ARGV[4 + 3 * r]
    local have = string.sub(marks, at + 1, at + #from)
    same = same and have .. string.rep('\0', #from - #have) == from
  end
  if same then
    if marks == '' then redis.call('SET', KEYS[k], header) end
    for r = 0, runs - 1 do
      redis.call('SETRANGE', KEYS[k], ARGV[3 + 3 * r], ARGV[5 + 3 * r])
    end
  else
    others[#others + 1] = k
  end
end
return others
