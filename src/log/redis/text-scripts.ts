/**
 * What runs inside Redis upon the texts of a tenant. KEYS: the meta hash of the log, then data, names, marks, holds and bytes of the texts.
 *
 * TS1 As S1 of scripts.ts: a script refuses before its first write, or writes everything.
 * TS2 What is put, held or let go has no mark. So a mark that is there was set after the last entry under way was decided, or while a hold
 *     was there.
 * TS3 A text is removed only if nobody who may still append holds it, it has been marked for long enough, and whoever found that nobody
 *     names it had applied every entry that was in the log when it was marked. With TS2: every entry that could name it.
 * TS4 A hold counts as long as its node has a pass: one that lost it appends nothing more (scripts.ts, S2).
 * TS5 And only if every node that has a pass has found that nobody names it, since it was marked: each keeps old versions in a store of its own, and
 *     one that lacks some (it began with a hole, or has dropped them) does not know which texts those name. So no clock decides that either.
 * TS6 A sweep is let write when the memory of Redis is full, since it makes room: Redis looks for memory before the first write of a script that
 *     takes some, and the first of this one takes none.
 */
import { script } from './script.ts';

const mine = `
if redis.call('HGET', KEYS[1], 'pass:' .. ARGV[1]) ~= ARGV[2] then return {'FENCED'} end
`;

/** ARGV: node, pass, how many bytes all of them may have; hash and text of each. → OK | FENCED | FULL */
const put = script(`${mine}
local more = {}
local bytes = 0
for i = 4, #ARGV, 2 do
  local had = redis.call('HGET', KEYS[2], ARGV[i])
  if had ~= ARGV[i + 1] and not more[ARGV[i]] then
    more[ARGV[i]] = #ARGV[i + 1] - (had and #had or 0)
    bytes = bytes + more[ARGV[i]]
  end
end
if bytes > 0 and bytes + tonumber(redis.call('GET', KEYS[6]) or '0') > tonumber(ARGV[3]) then return {'FULL'} end
for i = 4, #ARGV, 2 do
  local name = ARGV[i]
  if more[name] then
    redis.call('HSET', KEYS[2], name, ARGV[i + 1])
    redis.call('ZADD', KEYS[3], 0, name)
  end
  redis.call('HDEL', KEYS[4], name)
  redis.call('HSET', KEYS[5], name .. ' ' .. ARGV[1], '1')
end
if bytes ~= 0 then redis.call('INCRBY', KEYS[6], bytes) end
return {'OK'}
`);

/** ARGV: node, pass; hashes. → OK | FENCED | MISSING and those that are */
const hold = script(`${mine}
local said = {'MISSING'}
for i = 3, #ARGV do
  if redis.call('HEXISTS', KEYS[2], ARGV[i]) == 0 then said[#said + 1] = ARGV[i] end
end
if #said > 1 then return said end
for i = 3, #ARGV do
  redis.call('HDEL', KEYS[4], ARGV[i])
  redis.call('HSET', KEYS[5], ARGV[i] .. ' ' .. ARGV[1], '1')
end
return {'OK'}
`);

/** What a node held before Redis lost something, of what is there. ARGV: node, pass; hashes. → OK | FENCED */
const holdAgain = script(`${mine}
for i = 3, #ARGV do
  if redis.call('HEXISTS', KEYS[2], ARGV[i]) == 1 then
    redis.call('HDEL', KEYS[4], ARGV[i])
    redis.call('HSET', KEYS[5], ARGV[i] .. ' ' .. ARGV[1], '1')
  end
end
return {'OK'}
`);

/** TS2. ARGV: node, pass; hashes. → OK | FENCED */
const release = script(`${mine}
for i = 3, #ARGV do
  redis.call('HDEL', KEYS[4], ARGV[i])
  redis.call('HDEL', KEYS[5], ARGV[i] .. ' ' .. ARGV[1])
end
return {'OK'}
`);

/**
 * TS3, TS5. ARGV: the node, the newest entry that it had applied before it looked, the time, for how long nobody must have named what is removed, how
 * many of the hashes are named by somebody; these, then those that nobody names. → count and bytes of what was removed, then those that are
 * named and not there. A mark: when it was set, the newest entry then, and which nodes found since that nobody names the text.
 */
const settle = script(`
redis.call('HDEL', KEYS[4], '') -- TS6
local living = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  local node = string.match(field, '^pass:(.+)$')
  if node then living[#living + 1] = node end
end
local held = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[5])) do
  local name, node = string.match(field, '^(%x+) (.+)$')
  if redis.call('HEXISTS', KEYS[1], 'pass:' .. node) == 1 then
    held[name] = true
  else
    redis.call('HDEL', KEYS[5], field)
  end
end
local me, applied, now, patience, named = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local function agreed(found)
  for _, node in ipairs(living) do
    if not string.find(found, ' ' .. node .. ' ', 1, true) then return false end
  end
  return true
end
local head = redis.call('HGET', KEYS[1], 'seq') or '0'
local count, bytes, gone = 0, 0, {}
for i = 6, #ARGV do
  local name = ARGV[i]
  local there = redis.call('HEXISTS', KEYS[2], name) == 1
  if i < 6 + named then
    redis.call('HDEL', KEYS[4], name)
    if not there then gone[#gone + 1] = name end
  elseif there and held[name] then
    redis.call('HDEL', KEYS[4], name)
  elseif there then
    local mark = redis.call('HGET', KEYS[4], name) or ''
    local since, seq, found = string.match(mark, '^(%d+):(%d+)(.*)$')
    if not since then
      since, seq, found = ARGV[3], head, ''
    end
    if found == '' then found = ' ' end
    if not string.find(found, ' ' .. me .. ' ', 1, true) then found = found .. me .. ' ' end
    if mark ~= '' and tonumber(since) <= now - patience and tonumber(seq) <= applied and agreed(found) then
      count, bytes = count + 1, bytes + redis.call('HSTRLEN', KEYS[2], name)
      redis.call('HDEL', KEYS[2], name)
      redis.call('HDEL', KEYS[4], name)
      redis.call('ZREM', KEYS[3], name)
    elseif mark ~= since .. ':' .. seq .. found then
      redis.call('HSET', KEYS[4], name, since .. ':' .. seq .. found)
    end
  end
end
if bytes > 0 then redis.call('DECRBY', KEYS[6], bytes) end
local said = {count, bytes}
for _, name in ipairs(gone) do said[#said + 1] = name end
return said
`);

export const TEXT_SCRIPTS = { put, hold, holdAgain, release, settle } as const;
