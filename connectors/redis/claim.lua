-- Raise the generation of some partitions of a unit by one.
--   KEYS: marks
--   ARGV: marks header, then the place of each partition in the marks
-- Answers the marks of those partitions, 20 bytes each, as they are now.
local header = ARGV[1]
local marks = redis.call('GET', KEYS[1]) or ''
if marks == '' then
  marks = header
  redis.call('SET', KEYS[1], header)
elseif string.sub(marks, 1, 4) ~= string.sub(header, 1, 4) then
  return redis.error_reply('FQVERSION marks of another version')
end
-- The generation is 8 bytes big endian: Lua's numbers are doubles.
local function raised(bytes)
  local b = {string.byte(bytes, 1, 8)}
  for i = 8, 1, -1 do
    if b[i] < 255 then
      b[i] = b[i] + 1
      break
    end
    b[i] = 0
  end
  return string.char(unpack(b))
end
local out = {}
for i = 2, #ARGV do
  local at = tonumber(ARGV[i])
  local have = string.sub(marks, at + 1, at + 20)
  have = have .. string.rep('\0', 20 - #have)
  have = raised(have) .. string.sub(have, 9)
  redis.call('SETRANGE', KEYS[1], at, have)
  out[i - 1] = have
end
return out
