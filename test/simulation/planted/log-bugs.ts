/** Planted bugs between the log, the node and its connections. */
import type { PlantedBug } from './bug.ts';

export const LOG_BUGS: readonly PlantedBug[] = [
  {
    name: 'reply-before-durable',
    file: 'src/node/tenant.ts',
    find: `    this.#waiting.push({ command, done, trace, cost: 1 + tasksMadeBy(command) });`,
    replace: `    if (command.kind === 'request' && command.method === 'topic.publish' && done !== undefined) {
      const { rev } = this.engine.state;
      this.#options.scheduler.defer(() => done({ reply: { ok: true, result: { rev } }, rev }));
      this.#waiting.push({ command, done: undefined, trace, cost: 1 });
    } else this.#waiting.push({ command, done, trace, cost: 1 + tasksMadeBy(command) });`,
    breaks: 'A message is confirmed to its publisher before its entry is in the log.',
    invariants: ['67'],
  },
  {
    name: 'push-beside-the-log',
    file: 'src/node/requests.ts',
    find: `if (kind !== 'ephemeral') return false;`,
    replace: `if (kind === 'latest') return false;`,
    breaks: 'Reliable messages are handed out on the spot, as those that nobody promised, and never reach the log.',
    invariants: ['67'],
  },
  {
    name: 'unknown-append-refused',
    file: 'src/node/tenant.ts',
    find: `        for (const one of sent) one.unknown = true;
        this.#rest();
        break;
      case 'FULL':`,
    replace: `      case 'FULL':`,
    breaks: 'An append whose outcome is not known is answered as refused, and may be durable all the same.',
    invariants: ['6', '5'],
  },
  {
    name: 'log-trimmed-too-far',
    file: 'src/node/checkpoint.ts',
    find: 'const KEEP = 2;',
    replace: 'const KEEP = 1;',
    breaks: 'The log is trimmed to the newest snapshot, so that a damaged one cannot be passed over.',
    invariants: ['14'],
  },
  {
    name: 'clock-not-rearmed',
    file: 'src/node/tenant.ts',
    find: `(wait <= 0 || stale)) this.submit({ kind: 'tick' });
    else this.#arm();`,
    replace: `(wait <= 0 || stale)) this.submit({ kind: 'tick' });`,
    breaks: 'A clock that woke too early does not wind itself up again: timers wait for the next command.',
    invariants: ['72'],
  },
  {
    name: 'snapshot-without-timers',
    file: 'src/engine/kernel/image.ts',
    find: `  else {
    const name = must(`,
    replace: `  else if (section !== 'timers') {
    const name = must(`,
    breaks: 'A state that was loaded from a snapshot has no timers.',
    invariants: ['9', '8'],
  },
  {
    name: 'snapshot-without-keys',
    file: 'src/engine/kernel/image.ts',
    find: `    for (const key of keys) yield new ImageRecord('key', () => outcomeOf(key), key);
`,
    replace: '',
    breaks: 'Snapshots leave out the idempotency keys.',
    invariants: ['9'],
  },
  {
    name: 'ring-claims-too-much',
    file: 'src/node/hub.ts',
    find: 'this.ring = new PushRing(parts.engine.state.rev, parts.ring);',
    replace: 'this.ring = new PushRing(0, parts.ring);',
    breaks: 'After a snapshot was loaded the empty ring claims to have all pushes before it.',
    invariants: ['66', '67'],
  },
  {
    name: 'old-push-to-new-listener',
    file: 'src/node/hub.ts',
    find: 'if (push.rev === 0 || sub.rev < push.rev) this.#handGuarded(',
    replace: 'this.#handGuarded(',
    breaks: 'A new listener gets what was published on the topic before it listened.',
    invariants: ['66'],
  },
  {
    name: 'refused-push-marked',
    file: 'src/node/hub.ts',
    find: `    } else if (push.rev > 0) {
      line.phase = 'behind';`,
    replace: `    } else if (push.rev > 0) {
      line.position = push.rev;
      line.phase = 'behind';`,
    breaks: 'The position of a connection moves also when its full queue refused the push.',
    invariants: ['66', '67'],
  },
  {
    name: 'refused-replay-marked',
    file: 'src/node/hub.ts',
    find: 'if (out !== undefined && !line.delivery.push(out)) return false;',
    replace: 'if (out !== undefined) line.delivery.push(out);',
    breaks: 'A connection that catches up moves its position also when a push was refused by a full queue.',
    invariants: ['66', '67'],
  },
  {
    name: 'loss-not-logged',
    file: 'src/node/attached.ts',
    find: `    const { session, attach } = this.#line;
    this.#serving.tenant.submit({ kind: 'session.lost', session, attach, ...seen });
`,
    replace: '',
    breaks: 'The loss of a connection is not put into the log, so that its session is never given up.',
    invariants: ['75'],
  },
  {
    name: 'foreign-tenant',
    file: 'src/node/node.ts',
    find: 'const serving = this.#servings.get(hello.principal.tenant);',
    replace: 'const serving = this.#servings.get(DEFAULT_TENANT);',
    breaks: 'Clients of all tenants are let into the default one.',
    invariants: ['64', '13'],
  },
];
