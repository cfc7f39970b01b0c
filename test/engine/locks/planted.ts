/** Deliberate bugs in the locks of the engine; random courses beside the model find each of them. */
import type { PlantedBug } from '../../simulation/planted/bug.ts';

type LockBug = Pick<PlantedBug, 'name' | 'file' | 'find' | 'replace' | 'breaks'>;

const at = (file: string): PlantedBug['file'] => `src/engine/locks/${file}.ts`;

export const LOCK_BUGS: readonly LockBug[] = [
  {
    name: 'readers-beside-writers',
    file: at('modes'),
    find: '  [IX, SIX, X],\n  [IX, S, SIX, X],',
    replace: '  [SIX, X],\n  [IX, S, SIX, X],',
    breaks: 'a shared lock stands beside one that allows to write below',
  },
  {
    name: 'no-intents-above',
    file: at('modes'),
    find: 'const ABOVE: readonly ModeNo[] = [IS, IX, IS, IX, IX];',
    replace: 'const ABOVE: readonly ModeNo[] = [IS, IX, IS, IX, IS];',
    breaks: 'an exclusive lock of a section does not keep readers from the document',
  },
  {
    name: 'queue-is-overtaken',
    file: at('judge'),
    find: 'return behind !== undefined && behind < asker.seq;',
    replace: 'return behind !== undefined && behind < asker.seq && asker.seq < Infinity;',
    breaks: 'who comes last goes before those who wait',
  },
  {
    name: 'holders-are-not-first',
    file: at('judge'),
    find: 'if (before !== undefined && (!first || before < asker.seq)) return true;',
    replace: 'if (before !== undefined && before < asker.seq) return true;',
    breaks: 'a conversion is overtaken by a request that came before it',
  },
  {
    name: 'no-pump-after-a-cancel',
    file: at('ends'),
    find: '  if (!s.lockBook.isAway(wait.owner)) for (const',
    replace: '  if (s.lockBook.isAway(wait.owner)) for (const',
    breaks: 'whoever stood behind a request that was cancelled waits for nothing',
  },
  {
    name: 'no-pump-after-a-release',
    file: at('ends'),
    find: '    pumpFor(c, path, mode);\n    pumpOwn(c, path, owner);',
    replace: '    pumpOwn(c, path, owner);',
    breaks: 'nobody is granted what was released',
  },
  {
    name: 'own-requests-fall-back-in-silence',
    file: at('ends'),
    find: '    pumpFor(c, path, mode);\n    pumpOwn(c, path, owner);',
    replace: '    pumpFor(c, path, mode);',
    breaks: 'who stood behind a conversion that is none any more is not looked at',
  },
  {
    name: 'away-blocks',
    file: at('book'),
    find: '    if (away) for (const wait of queued) this.#unqueue(wait);\n',
    replace: '',
    breaks: 'a request whose owner is away keeps its queue waiting',
  },
  {
    name: 'old-token-after-an-upgrade',
    file: at('grants'),
    find: 'token: nextToken(s) };\n  strengthened',
    replace: 'token: again.token };\n  strengthened',
    breaks: 'a lock that became stronger keeps its token',
  },
  {
    name: 'soft-edges-dropped',
    file: at('deadlock'),
    find: '        this.#soft(node, place, mode);\n',
    replace: '',
    breaks: 'a circle that leads through a queue is not seen',
  },
  {
    name: 'no-look-for-circles-later',
    file: at('ends'),
    find: "  if (c.state.lockWaitsByOwner.count(owner) > 0) follow(c, { kind: 'untangle', owner, after: 0 });\n",
    replace: '',
    breaks: 'a circle that closes by a release stays',
  },
  {
    name: 'no-look-for-circles-of-who-comes-back',
    file: at('owners'),
    find: "  follow(c, { kind: 'untangle', owner, after: 0 });\n",
    replace: '',
    breaks: 'a circle that closes by a return stays',
  },
  {
    name: 'oldest-of-a-circle-ends',
    file: at('work'),
    find: 'waits.reduce((a, b) => (b.seq > a.seq ? b : a))',
    replace: 'waits.reduce((a, b) => (b.seq < a.seq ? b : a))',
    breaks: 'of a circle the oldest request ends',
  },
  {
    name: 'released-for-ever',
    file: at('hold'),
    find: '  if (lock.count > 1 && all !== true && paths === undefined) {',
    replace: '  if (lock.count > 2 && all !== true && paths === undefined) {',
    breaks: 'a lock that is held twice is free after one release',
  },
  {
    name: 'grace-of-nothing',
    file: at('owners'),
    find: '  return away.awaySince + Math.max(lock.holdMs, away.graceMs);',
    replace: '  return away.awaySince + Math.min(lock.holdMs, Math.max(away.graceMs, 500));',
    breaks: 'a lock ends before its grace is over',
  },
  {
    name: 'delay-after-reading',
    file: at('ends'),
    find: 'if (writes(modeNo(member.mode))) delay(',
    replace: 'if (modeNo(member.mode) > 0) delay(',
    breaks: 'others are kept from what was only read',
  },
  {
    name: 'no-delay-above',
    file: at('book'),
    find: '    for (const { path, mode } of needsOf([member])) {',
    replace: '    for (const { path, mode } of needsOf([member]).slice(-1)) {',
    breaks: 'what is kept from others can be had by the path above it',
  },
  {
    name: 'leases-count-from-the-request',
    file: at('hold'),
    find: 'expiresAt: c.live + leaseMs };',
    replace: 'expiresAt: (lock.expiresAt ?? c.live) + leaseMs };',
    breaks: 'an extension lasts longer than was asked',
  },
];
