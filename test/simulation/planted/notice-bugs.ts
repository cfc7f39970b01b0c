/** Planted bugs in what is said to agents, to everyone, and to those who listen by pattern. */
import type { PlantedBug } from './bug.ts';

export const NOTICE_BUGS: readonly PlantedBug[] = [
  {
    name: 'absent-agents-untold',
    file: 'src/engine/notifications/notifications.ts',
    find: 'const missed = missedBy(s, c, { agent, session });',
    replace: 'const missed = missedBy(s, c, { agent, session }).slice(0, 0);',
    breaks: 'An agent that comes with another session is told nothing of what was said while it was away.',
    invariants: ['67'],
  },
  {
    name: 'told-again-newest-first',
    file: 'src/engine/notifications/notifications.ts',
    find: 'return missed.toSorted((a, b) => a.rev - b.rev);',
    replace: 'return missed.toSorted((a, b) => b.rev - a.rev);',
    breaks: 'What an agent lacks is told in the wrong order.',
    invariants: ['66'],
  },
  {
    name: 'position-of-a-resume-forgotten',
    file: 'src/engine/notifications/seen.ts',
    find: 'seen: seenAt(s, agent, rev), from: s.rev };',
    replace: 'seen: seenBy(s, agent), from: s.rev };',
    breaks: 'That an agent has passed a notification when it resumed its session is forgotten, and it is told again.',
    invariants: ['68'],
  },
  {
    name: 'crowded-out-in-silence',
    file: 'src/engine/notifications/keep.ts',
    find: '  leaveFloors(s, c, crowded);\n',
    replace: '',
    breaks: 'Nobody is told that what gave way is missing.',
    invariants: ['70'],
  },
  {
    name: 'first-of-the-named-agents',
    file: 'src/engine/notifications/notifications.ts',
    find: 'return audience.agentIds.map(toAgent);',
    replace: 'return audience.agentIds.slice(0, 1).map(toAgent);',
    breaks: 'Of several agents that are named the first alone is told.',
    invariants: ['67'],
  },
  {
    name: 'everyone-but-people',
    file: 'src/engine/notifications/audiences.ts',
    find: '  if (isOpen(audience) && hearsAlone(session)) return true;\n',
    replace: '',
    breaks: 'A session that speaks for no agent is not told what is said to everyone.',
    invariants: ['67'],
  },
  {
    name: 'one-pattern-a-topic',
    file: 'src/engine/topics/patterns.ts',
    find: '      else found.push(pattern);\n',
    replace: '',
    breaks: 'Of several patterns that mean a topic one alone is told.',
    invariants: ['66', '67'],
  },
  {
    name: 'patterns-not-caught-up',
    file: 'src/node/hub.ts',
    find: 'for (const sub of state.subsBySession.of(session) ?? []) audiences',
    replace: "for (const sub of state.subsBySession.of(session) ?? []) if (!sub.topic.includes('>')) audiences",
    breaks: 'Who was away, or slow, does not catch up on what a pattern means.',
    invariants: ['66', '67'],
  },
];
