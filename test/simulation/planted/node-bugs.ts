/** Planted bugs of several nodes on one Redis: who may append, what a lost end means, who is taken for dead, what is told and asked again. */
import type { PlantedBug } from './bug.ts';

/** Inside Redis. */
const SCRIPTS: readonly PlantedBug[] = [
  {
    name: 'pass-not-asked-for',
    runs: 'nodes',
    file: 'src/log/redis/scripts.ts',
    find: 'if m[1] ~= ARGV[1] or m[2] ~= ARGV[3] then return',
    replace: 'if m[1] ~= ARGV[1] then return',
    breaks: 'A node that was taken for dead goes on appending.',
    invariants: ['N5'],
  },
  {
    name: 'time-of-the-server-alone',
    runs: 'nodes',
    file: 'src/log/redis/scripts.ts',
    find: 'local ts = digits(math.max(now, tonumber(m[6]), tonumber(ARGV[7])))',
    replace: 'local ts = digits(now)',
    breaks: 'Entries are stamped by the clock of Redis, also after it was set back.',
    invariants: ['N8', 'N11'],
  },
  {
    name: 'beat-does-not-count',
    runs: 'nodes',
    file: 'src/log/redis/scripts.ts',
    find: "redis.call('HSET', KEYS[2], 'seen:' .. ARGV[1], digits(now))\nif ARGV[5]",
    replace: 'if ARGV[5]',
    breaks: 'A node that only says that it lives is taken for dead.',
    invariants: ['N10', 'N14'],
  },
  {
    name: 'opener-of-the-dead-stays',
    runs: 'nodes',
    file: 'src/log/redis/scripts.ts',
    find: "  if redis.call('HGET', KEYS[2], 'opener') == node then redis.call('HDEL', KEYS[2], 'opener') end\n",
    replace: '',
    breaks: 'A node that dies while it opens a tenant keeps all others from it.',
    invariants: ['N9'],
  },
  {
    name: 'fenced-comes-back',
    runs: 'nodes',
    file: 'src/log/redis/scripts.ts',
    find: "if shared and ARGV[12] == '1' and not fieldOf('pass', node) then return {'FENCED'} end\n",
    replace: '',
    breaks: 'A node that was taken for dead gets a pass anew under its name.',
    invariants: ['N5'],
  },
  {
    name: 'shorter-copy-takes-over',
    runs: 'nodes',
    file: 'src/log/redis/scripts.ts',
    find: "if tonumber(ARGV[3]) >= most or waited >= 2 * tonumber(ARGV[5]) then return {'TURN'} end",
    replace: "if tonumber(ARGV[3]) <= most or waited >= 2 * tonumber(ARGV[5]) then return {'TURN'} end",
    breaks: 'After a failover any node may take the log over, however far its copy goes.',
    invariants: ['N8'],
  },
];

/** Taking over a log after Redis was another one. */
const RECOVERY: readonly PlantedBug[] = [
  {
    name: 'turn-is-not-waited-for',
    runs: 'nodes',
    file: 'src/log/redis/recovery.ts',
    find: "    if (textOf(said) === 'TURN') return;\n",
    replace: '    return;\n',
    breaks: 'The node that is back first takes the log over, without the end that others have.',
    invariants: ['N8'],
  },
  {
    name: 'copy-is-not-put-back',
    runs: 'nodes',
    file: 'src/log/redis/recovery.ts',
    find: 'if (local.head.seq > meta.head.seq) return true;',
    replace: 'if (local.head.seq > meta.head.seq) return false;',
    breaks: 'What Redis lost is not put back, though a node has it.',
    invariants: ['N8', 'N9'],
  },
  {
    name: 'repair-from-the-next-but-one',
    runs: 'nodes',
    file: 'src/log/redis/recovery.ts',
    find: 'const portion = portionOf(await local.range(seq + 1, portionEntries));',
    replace: 'const portion = portionOf(await local.range(seq + 2, portionEntries));',
    breaks: 'What is put back begins one entry too late, and does not continue the log.',
    invariants: ['N8'],
  },
  {
    name: 'copy-behind-the-delivery',
    runs: 'nodes',
    file: 'src/log/redis/tenant-log.ts',
    find: '    this.#host.local.add(this.logId, elements);\n    return entries;',
    replace: '    if (this.#tail.kind === "reading") this.#host.local.add(this.logId, elements);\n    return entries;',
    breaks: 'What a node reads while it serves is not in its copy.',
    invariants: ['N8', 'N9'],
  },
];

/** Who lives. */
const MEMBERS: readonly PlantedBug[] = [
  {
    name: 'dead-after-a-beat',
    runs: 'nodes',
    file: 'src/log/redis/members.ts',
    find: 'this.#host.scheduler.mono() - since >= ownedMs ? ownedMs : 0;',
    replace: 'this.#host.scheduler.mono() - since >= ownedMs ? ownedMs / 3 : 0;',
    breaks: 'Whoever misses one beat is taken for dead.',
    invariants: ['N10', 'N14'],
  },
  {
    name: 'dead-when-redis-is-back',
    runs: 'nodes',
    file: 'src/log/redis/members.ts',
    find: 'return since !== undefined && this.#host.scheduler.mono() - since >= ownedMs ? ownedMs : 0;',
    replace: 'return since !== undefined ? ownedMs : 0;',
    breaks: 'Of nodes that were all cut off the first that is back takes the others for dead.',
    invariants: ['N14'],
  },
  {
    name: 'clients-kept-too-long',
    runs: 'nodes',
    file: 'src/log/redis/members.ts',
    find: 'const cutOffMs = 4_000;',
    replace: 'const cutOffMs = 40_000;',
    breaks: 'A node that is cut off still has its clients when others take it for dead.',
    invariants: ['N10'],
  },
  {
    name: 'opened-is-not-said',
    runs: 'nodes',
    file: 'src/node/tenant.ts',
    find: '      opened?.();\n',
    replace: '',
    breaks: 'A node opens the tenant and the others never learn that it is open.',
    invariants: ['N9'],
  },
  {
    name: 'lost-whatever-the-attachment',
    runs: 'nodes',
    file: 'src/engine/sessions/sessions.ts',
    find: 'if (session === undefined || !session.attached || session.attach !== lost.attach) return;',
    replace: 'if (session === undefined || !session.attached) return;',
    breaks: 'A session that is back at another node is lost with the connection before.',
    invariants: ['N12', 'N7', 'N9'],
  },
  {
    name: 'attached-to-the-first-node',
    runs: 'nodes',
    file: 'src/engine/sessions/sessions.ts',
    find: '    attach: before.attach + 1,\n    node: command.node,',
    replace: '    attach: before.attach + 1,\n    node: before.node,',
    breaks: 'A session that went to another node counts as one of the node before.',
    invariants: ['N12', 'N7', 'N9'],
  },
];

/** What is told, and asked again. */
const TELLING: readonly PlantedBug[] = [
  {
    name: 'unknown-is-refused',
    runs: 'nodes',
    file: 'src/node/tenant.ts',
    find: '        for (const one of sent) one.unknown = true;\n        this.#rest();\n',
    replace: '        this.#refuse(sent);\n',
    breaks: 'An append of unknown outcome is told to be refused, and stands in the log.',
    invariants: ['N13', 'N6'],
  },
  {
    name: 'lost-append-forgotten',
    runs: 'nodes',
    file: 'src/node/tenant.ts',
    find: '    if (passed.length > 0) {\n',
    replace: '    if (passed.length > 1_000) {\n',
    breaks: 'What an append lost is never asked again.',
    invariants: ['N9'],
  },
  {
    name: 'no-probe-behind-the-unknown',
    runs: 'nodes',
    file: 'src/node/tenant.ts',
    find: 'return this.#sent.at(-1)?.unknown === true;',
    replace: 'return false;',
    breaks: 'Nobody looks whether an append of unknown outcome is in the log.',
    invariants: ['N9'],
  },
  {
    name: 'broken-link-is-full',
    runs: 'nodes',
    file: 'src/log/redis/tenant-log.ts',
    find: "not answered: ${messageOf(error)}`);\n      return { kind: 'UNKNOWN' };",
    replace: "not answered: ${messageOf(error)}`);\n      return { kind: 'FULL' };",
    breaks: 'An append that was not answered counts as one that was not made.',
    invariants: ['N13', 'N6'],
  },
  {
    name: 'older-connection-goes-on',
    runs: 'nodes',
    file: 'src/engine/sessions/sessions.ts',
    find: "    c.events.push({ kind: 'connectionEnded', session: before.id, attach: before.attach, why: 'replaced' });\n",
    replace: '',
    breaks: 'A node that learns that a session has gone to another goes on telling its older connection.',
    invariants: ['N16'],
  },
];

export const NODE_BUGS: readonly PlantedBug[] = [...SCRIPTS, ...RECOVERY, ...MEMBERS, ...TELLING];
