/**
 * What runs inside Redis. Every script touches the keys of one tenant only: the log and its meta hash, or a snapshot.
 *
 * Fields of the meta hash: logId; run, the run id of the server at which the log was opened; epoch; seq, link, ts of
 * the newest entry; baseSeq, baseEpoch, baseTs, baseLink, baseChain of the newest entry that was trimmed. Of each node that
 * serves the tenant: pass:<node>, drawn for each connection; seen:<node>, when it last said that it lives; home:<node>, its
 * data directory, which one process has at a time; mode:<node>, whether it serves alone or shares; ready:<node>, that it
 * serves, beside others; about:<node>, what it says of itself; engine:<node>, up to which version it can decide (absent: a
 * build that did not say so); kept:<node>, up to which entry it has what it keeps of the log (absent: it did not say so yet). opener: the node that opens the tenant for all, until it has. gather, gatherAt: the run for which nodes
 * tell how far their copies go, and since when; tail:<node>, how far. engine: the version that the state
 * may go over to; who does not know it is not let in.
 *
 * S1 A script refuses before its first write or writes everything: Redis runs it alone, and looks for memory before the
 *    first write of a script and not again.
 * S2 An append is taken only with the run id of this server and the newest pass of its node: an append of an older
 *    connection that arrives late is refused, so what was not there when the log was claimed anew never comes. A node whose
 *    pass was taken away (it was silent, or its data directory has another process) appends nothing more.
 * S3 An append is taken only if the history that its node has applied is part of this log: the link at that place is
 *    compared, not only the number.
 * S4 Time never falls. `floor` is the appender's: the newest stamp that it read and what its monotonic clock counted
 *    since, so that time goes on when the server's clock was set back (../stamps.ts).
 * S5 Entries go only when every node that has a pass has what it keeps of them on its disk. A node that is given a pass has
 *    seen the base as it is then, and has not said yet what it needs: so nothing goes from under one that begins.
 */
import { script } from './script.ts';

export { runScript, type Script } from './script.ts';

const clock = `
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
`;

const number = `
local function digits(n) return string.format('%.0f', n) end
`;

const members = `
local function membersOf()
  local found, all = {}, redis.call('HKEYS', KEYS[2])
  for _, name in ipairs(all) do
    local node = string.match(name, '^pass:(.+)$')
    if node then found[#found + 1] = node end
  end
  table.sort(found)
  return found
end
local function fieldOf(name, node) return redis.call('HGET', KEYS[2], name .. ':' .. node) end
local function fence(node)
  redis.call('HDEL', KEYS[2], 'pass:' .. node, 'seen:' .. node, 'home:' .. node, 'mode:' .. node, 'ready:' .. node,
    'about:' .. node, 'engine:' .. node, 'kept:' .. node)
  if redis.call('HGET', KEYS[2], 'opener') == node then redis.call('HDEL', KEYS[2], 'opener') end
end
local function silence(node) return now - tonumber(fieldOf('seen', node)) end
`;

/** ARGV: run, node, pass, then of what was applied: epoch, seq, link; floor; payloads. → OK first | refusal */
const append = script(`${number}${clock}
local m = redis.call('HMGET', KEYS[2], 'run', 'pass:' .. ARGV[2], 'epoch', 'seq', 'link', 'ts', 'baseSeq')
if not m[1] then return {'GONE'} end
if m[1] ~= ARGV[1] or m[2] ~= ARGV[3] then return {'FENCED'} end
local epoch, seq, link = m[3], tonumber(m[4]), m[5]
local applied = tonumber(ARGV[5])
if applied > seq then return {'REGRESSED', m[4]} end
if applied == seq then
  if link ~= ARGV[6] then return {'REGRESSED', m[4]} end
elseif applied > tonumber(m[7]) then
  local id = ARGV[4] .. '-' .. ARGV[5]
  local there = redis.call('XRANGE', KEYS[1], id, id)
  if not there[1] or there[1][2][4] ~= ARGV[6] then return {'REGRESSED', m[4]} end
end
local ts = digits(math.max(now, tonumber(m[6]), tonumber(ARGV[7])))
local first = seq + 1
for i = 8, #ARGV do
  seq = seq + 1
  link = redis.sha1hex(link .. epoch .. ':' .. ts .. ':' .. ARGV[i])
  redis.call('XADD', KEYS[1], epoch .. '-' .. digits(seq), 't', ts, 'l', link, 'p', ARGV[i])
end
redis.call('HSET', KEYS[2], 'seq', digits(seq), 'link', link, 'ts', ts, 'seen:' .. ARGV[2], digits(now))
return {'OK', digits(first)}
`);

/**
 * Makes the log if there is none. ARGV: logId, its first link, its first chain (hex), run, node, pass, home, mode, engine.
 * → MADE | THERE | LEFTOVER
 */
const create = script(`${number}${clock}
if redis.call('EXISTS', KEYS[2]) == 1 then return {'THERE'} end
if redis.call('EXISTS', KEYS[1]) == 1 then return {'LEFTOVER'} end
redis.call('HSET', KEYS[2], 'logId', ARGV[1], 'run', ARGV[4], 'epoch', '1', 'seq', '0', 'link', ARGV[2], 'ts', '0',
  'baseSeq', '0', 'baseEpoch', '0', 'baseTs', '0', 'baseLink', ARGV[2], 'baseChain', ARGV[3],
  'pass:' .. ARGV[5], ARGV[6], 'seen:' .. ARGV[5], digits(now), 'home:' .. ARGV[5], ARGV[7], 'mode:' .. ARGV[5], ARGV[8],
  'engine:' .. ARGV[5], ARGV[9])
return {'MADE'}
`);

/** What a takeover looks at, at one instant. → fields of the meta hash, newest element (or none), count of elements */
const look = script(`
return {redis.call('HGETALL', KEYS[2]), redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', '1'), redis.call('XLEN', KEYS[1])}
`);

/**
 * Takes the log over for a connection. ARGV: what was seen: run, epoch, seq, link; then run, epoch, node, pass, for how many
 * ms a node that is silent still has it, home, mode, whether the node has had it already; the newest entry that the node
 * has: epoch, seq, link (seq 0: none); engine; the base that was seen. Others may have appended since it was looked at, in the same run, if what the
 * node has is still part of the log. → OK | CHANGED | FENCED | OWNED node ms | OLD engine
 */
const claim = script(`${number}${clock}${members}
local m = redis.call('HMGET', KEYS[2], 'run', 'epoch', 'seq', 'link', 'baseSeq', 'owner', 'seen', 'engine')
if m[8] and tonumber(m[8]) > tonumber(ARGV[16]) then return {'OLD', m[8]} end
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] or m[5] ~= ARGV[17] then return {'CHANGED'} end
if m[3] ~= ARGV[3] or m[4] ~= ARGV[4] then
  local seq, known = tonumber(m[3]), tonumber(ARGV[14])
  if ARGV[1] ~= ARGV[5] or seq < tonumber(ARGV[3]) or known > seq then return {'CHANGED'} end
  if known == seq and m[4] ~= ARGV[15] then return {'CHANGED'} end
  if known < seq and known > tonumber(m[5]) then
    local id = ARGV[13] .. '-' .. ARGV[14]
    local there = redis.call('XRANGE', KEYS[1], id, id)
    if not there[1] or there[1][2][4] ~= ARGV[15] then return {'CHANGED'} end
  end
end
local node, shared = ARGV[7], ARGV[11] == 'shared'
if shared and ARGV[12] == '1' and not fieldOf('pass', node) then return {'FENCED'} end
-- A log of a build that knew one node only.
if m[6] and m[6] ~= ARGV[10] and now - tonumber(m[7]) < tonumber(ARGV[9]) then
  return {'OWNED', m[6], digits(math.max(0, now - tonumber(m[7])))}
end
local gone, stay = {}, {}
for _, other in ipairs(membersOf()) do
  if other == node then
    stay[#stay + 1] = other
  elseif fieldOf('home', other) == ARGV[10] then
    gone[#gone + 1] = other
  elseif shared and fieldOf('mode', other) == 'shared' then
    stay[#stay + 1] = other
  elseif silence(other) < tonumber(ARGV[9]) then
    return {'OWNED', other, digits(math.max(0, silence(other)))}
  else
    gone[#gone + 1] = other
  end
end
for _, other in ipairs(gone) do fence(other) end
redis.call('HDEL', KEYS[2], 'owner', 'pass', 'seen')
-- While the server was away nobody could say that he lives.
if ARGV[1] ~= ARGV[5] then
  for _, other in ipairs(stay) do redis.call('HSET', KEYS[2], 'seen:' .. other, digits(now)) end
end
redis.call('HSET', KEYS[2], 'run', ARGV[5], 'epoch', ARGV[6], 'pass:' .. node, ARGV[8], 'seen:' .. node, digits(now),
  'home:' .. node, ARGV[10], 'mode:' .. node, ARGV[11], 'engine:' .. node, ARGV[16])
return {'OK'}
`);

/**
 * Of several nodes the one whose copy goes furthest takes a log over after a change of the server process. ARGV: run, node, up to
 * where its copy goes, whether the node has had the log already, for how many ms the others are waited for. → TURN: this one may
 * | WAIT. The longest one is waited for as long again, and then no more.
 */
const gather = script(`${number}${clock}${members}
local node = ARGV[2]
local m = redis.call('HMGET', KEYS[2], 'run', 'gather', 'gatherAt')
if m[1] == ARGV[1] then return {'TURN'} end
if ARGV[4] == '1' and not fieldOf('pass', node) then return {'TURN'} end
local began = now
-- Begun anew when the clock was set back: nobody waits for longer than he has to.
if m[2] == ARGV[1] and tonumber(m[3]) <= now then
  began = tonumber(m[3])
else
  for _, name in ipairs(redis.call('HKEYS', KEYS[2])) do
    if string.match(name, '^tail:(.+)$') then redis.call('HDEL', KEYS[2], name) end
  end
  redis.call('HSET', KEYS[2], 'gather', ARGV[1], 'gatherAt', digits(now))
end
redis.call('HSET', KEYS[2], 'tail:' .. node, ARGV[3])
local most, missing, waited = tonumber(ARGV[3]), false, now - began
for _, name in ipairs(redis.call('HKEYS', KEYS[2])) do
  if string.match(name, '^tail:(.+)$') then most = math.max(most, tonumber(redis.call('HGET', KEYS[2], name))) end
end
for _, other in ipairs(membersOf()) do
  if not fieldOf('tail', other) then missing = true end
end
if missing and waited < tonumber(ARGV[5]) then return {'WAIT'} end
if tonumber(ARGV[3]) >= most or waited >= 2 * tonumber(ARGV[5]) then return {'TURN'} end
return {'WAIT'}
`);

/**
 * Puts entries back as they were; the epoch that somebody else has begun meanwhile stays. ARGV: what was seen: run, seq, link; then of each entry: epoch, seq, ts, link, payload.
 * → OK | CHANGED | BROKEN seq
 */
const repair = script(`${number}
local m = redis.call('HMGET', KEYS[2], 'run', 'seq', 'link', 'epoch')
if m[1] ~= ARGV[1] or m[2] ~= ARGV[2] or m[3] ~= ARGV[3] then return {'CHANGED'} end
local link = m[3]
for i = 4, #ARGV, 5 do
  link = redis.sha1hex(link .. ARGV[i] .. ':' .. ARGV[i + 2] .. ':' .. ARGV[i + 4])
  if link ~= ARGV[i + 3] then return {'BROKEN', ARGV[i + 1]} end
end
for i = 4, #ARGV, 5 do
  redis.call('XADD', KEYS[1], ARGV[i] .. '-' .. ARGV[i + 1], 't', ARGV[i + 2], 'l', ARGV[i + 3], 'p', ARGV[i + 4])
end
redis.call('HSET', KEYS[2], 'epoch', digits(math.max(tonumber(m[4]), tonumber(ARGV[#ARGV - 4]))), 'seq', ARGV[#ARGV - 3], 'ts', ARGV[#ARGV - 2], 'link', link)
return {'OK'}
`);

/**
 * Says that the node lives, or with "0" that it leaves. ARGV: node, pass, alive, after how many ms of silence others are
 * fenced (0: never), what it says of itself, up to where it has what it keeps ('' : it does not say). → OK seq base, then of
 * each that lives: name, ms of silence, what it said of
 * itself | GONE | FENCED
 */
const beat = script(`${number}${clock}${members}
local m = redis.call('HMGET', KEYS[2], 'pass:' .. ARGV[1], 'seq', 'baseSeq')
if not m[2] then return {'GONE'} end
if m[1] ~= ARGV[2] then return {'FENCED'} end
if ARGV[3] ~= '1' then
  fence(ARGV[1])
  return {'OK', m[2], m[3]}
end
redis.call('HSET', KEYS[2], 'seen:' .. ARGV[1], digits(now))
if ARGV[5] ~= '' then redis.call('HSET', KEYS[2], 'about:' .. ARGV[1], ARGV[5]) end
if ARGV[6] ~= '' then redis.call('HSET', KEYS[2], 'kept:' .. ARGV[1], ARGV[6]) end
local patience, said = tonumber(ARGV[4]), {'OK', m[2], m[3]}
for _, node in ipairs(membersOf()) do
  if patience > 0 and node ~= ARGV[1] and silence(node) >= patience then
    fence(node)
  else
    said[#said + 1] = node
    said[#said + 1] = digits(math.max(0, silence(node)))
    said[#said + 1] = fieldOf('about', node) or ''
  end
end
return said
`);

/**
 * How a node begins to serve. ARGV: node, pass. → ALONE: it opens the tenant, and says so after (opened) | BESIDE others
 * that serve | WAIT: another one is opening it | FENCED
 */
const join = script(`${number}${clock}${members}
if fieldOf('pass', ARGV[1]) ~= ARGV[2] then return {'FENCED'} end
local opener = redis.call('HGET', KEYS[2], 'opener')
if opener and opener ~= ARGV[1] then return {'WAIT'} end
for _, other in ipairs(membersOf()) do
  if other ~= ARGV[1] and fieldOf('ready', other) then
    redis.call('HSET', KEYS[2], 'ready:' .. ARGV[1], '1')
    return {'BESIDE'}
  end
end
redis.call('HSET', KEYS[2], 'opener', ARGV[1])
return {'ALONE'}
`);

/** The tenant is open. ARGV: node, pass. → OK | FENCED */
const opened = script(`${clock}${members}
if fieldOf('pass', ARGV[1]) ~= ARGV[2] then return {'FENCED'} end
if redis.call('HGET', KEYS[2], 'opener') == ARGV[1] then redis.call('HDEL', KEYS[2], 'opener') end
redis.call('HSET', KEYS[2], 'ready:' .. ARGV[1], '1')
return {'OK'}
`);

/**
 * The state may go over to what all nodes can decide, and from now on nobody is let in who cannot. ARGV: node, pass, the
 * version that this node can. → OK version, and the node that holds it back (or none) | FENCED
 */
const raise = script(`${number}${clock}${members}
if fieldOf('pass', ARGV[1]) ~= ARGV[2] then return {'FENCED'} end
local most, by = tonumber(ARGV[3]), ''
for _, node in ipairs(membersOf()) do
  local engine = tonumber(fieldOf('engine', node) or '0')
  if engine < most then most, by = engine, node end
end
local before = tonumber(redis.call('HGET', KEYS[2], 'engine') or '0')
if most > before then redis.call('HSET', KEYS[2], 'engine', digits(most)) end
return {'OK', digits(math.max(most, before)), by}
`);

/**
 * Forgets entries. ARGV: node, pass, epoch and seq of the last one to go, the chain there (hex), mode. Where nodes share the log
 * each must have said that it needs nothing up to there (S5). → OK | FENCED | MISSING | HELD node
 */
const trim = script(`${clock}${members}
local m = redis.call('HMGET', KEYS[2], 'pass:' .. ARGV[1], 'baseSeq')
if m[1] ~= ARGV[2] then return {'FENCED'} end
if tonumber(ARGV[4]) <= tonumber(m[2]) then return {'OK'} end
local id = ARGV[3] .. '-' .. ARGV[4]
local last = redis.call('XRANGE', KEYS[1], id, id)
if not last[1] then return {'MISSING'} end
if ARGV[6] == 'shared' then
  for _, node in ipairs(membersOf()) do
    if tonumber(fieldOf('kept', node) or '-1') < tonumber(ARGV[4]) then return {'HELD', node} end
  end
end
redis.call('HSET', KEYS[2], 'baseSeq', ARGV[4], 'baseEpoch', ARGV[3], 'baseTs', last[1][2][2],
  'baseLink', last[1][2][4], 'baseChain', ARGV[5])
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[3] .. '-' .. string.format('%.0f', tonumber(ARGV[4]) + 1))
return {'OK'}
`);

/**
 * A snapshot counts from here on. KEYS: its chunks, the records of snapshots. ARGV: how many chunks, seq, record.
 * → OK and the record that was there before | GONE
 */
const keep = script(`
if redis.call('LLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return {'GONE'} end
local before = redis.call('HGET', KEYS[2], ARGV[2])
redis.call('PERSIST', KEYS[1])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return {'OK', before}
`);

export const SCRIPTS = { append, create, look, claim, gather, repair, beat, join, opened, raise, trim, keep } as const;
