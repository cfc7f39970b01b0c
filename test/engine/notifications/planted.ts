/** Deliberate bugs in the notifications of the engine; random courses find each of them. */
import type { PlantedBug } from '../../simulation/planted/bug.ts';

type NotificationBug = Pick<PlantedBug, 'name' | 'file' | 'find' | 'replace' | 'breaks'>;

const at = (file: string): PlantedBug['file'] => `src/engine/notifications/${file}.ts`;

export const NOTIFICATION_BUGS: readonly NotificationBug[] = [
  {
    name: 'a-position-between-what-is-told-again-counts',
    file: at('seen'),
    find: 'return rev === undefined || rev < (agent.notified?.told ?? 0) ? seen',
    replace: 'return rev === undefined ? seen',
    breaks: 'who is lost in the midst of what it is told again is not told the rest',
  },
  {
    name: 'what-others-passed-counts-for-who-has-just-come',
    file: at('seen'),
    find: 'return attached && passed >= from ?',
    replace: 'return attached ?',
    breaks: 'an agent that came back is believed to have what the others have',
  },
  {
    name: 'what-others-passed-counts-for-who-is-away',
    file: at('seen'),
    find: 'return attached && passed >= from ?',
    replace: 'return passed >= from ?',
    breaks: 'an agent that is away is believed to have what the others have',
  },
  {
    name: 'a-capability-counts-from-the-beginning',
    file: at('seen'),
    find: 'rev : s.rev;\n    if (rev !== undefined) gained',
    replace: 'rev : undefined;\n    if (rev !== undefined) gained',
    breaks: 'who gets a capability is told what was said to it before',
  },
  {
    name: 'positions-of-who-leaves-are-not-heard',
    file: at('seen'),
    find: '  const { from: _, ...rest } = agent.notified ?? { bound: 0 };\n  return { ...rest, seen: seenAt(s, agent, rev) };',
    replace:
      '  const { from: _, ...rest } = agent.notified ?? { bound: 0 };\n  return { ...rest, seen: seenAt(s, agent, undefined) };',
    breaks: 'who had all of it is told it again',
  },
  {
    name: 'the-away-do-not-hold',
    file: at('keep'),
    find: '  const whole = Math.min(now, s.agentPositions.lowest(now));',
    replace: '  const whole = now;',
    breaks: 'what was said to everyone is kept no longer once those that are there have it',
  },
  {
    name: 'wide-ones-are-kept-for-ever',
    file: at('keep'),
    find: '    if (record.rev > whole) break;\n    candidates.add(record);',
    replace: '    if (record.rev > whole) break;',
    breaks: 'what was kept for one that was away stays after it has come',
  },
  {
    name: 'an-audience-of-several-loses-all',
    file: at('keep'),
    find: '  const to = record.to.filter((audience) => !leaves(audience));',
    replace: '  const to = record.to.some(leaves) ? [] : record.to;',
    breaks: 'one of several agents has it, and it is kept for none',
  },
  {
    name: 'told-before-the-answer',
    file: at('../engine'),
    find: '    const welcome = this.#welcome(decided.welcome);\n    this.#tellMissed(c);',
    replace: '    this.#tellMissed(c);\n    const welcome = this.#welcome(decided.welcome);',
    breaks: 'WELCOME names a position behind what it is told again, which it passes over',
  },
  {
    name: 'told-by-weight',
    file: at('notifications'),
    find: '  return missed.toSorted((a, b) => a.rev - b.rev);',
    replace: '  return missed.toSorted((a, b) => b.priority - a.priority || a.rev - b.rev);',
    breaks: 'what it lacks is told in another order than it was said',
  },
  {
    name: 'capabilities-are-not-told-again',
    file: at('notifications'),
    find: '    ...agent.capabilities.map(({ name }) => ({',
    replace: '    ...agent.capabilities.slice(1).map(({ name }) => ({',
    breaks: 'what was said to one of its capabilities is lost',
  },
  {
    name: 'kept-for-ever',
    file: at('changes'),
    find: "      return s.timers.set('notification', change.record.id, change.record.expiresAt);",
    replace: '      return;',
    breaks: 'the time of a notification never ends',
  },
];
