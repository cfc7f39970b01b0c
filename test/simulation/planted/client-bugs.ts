/** Planted bugs in the core of the client. */
import type { PlantedBug } from './bug.ts';

export const CLIENT_BUGS: readonly PlantedBug[] = [
  {
    name: 'unanswered-not-sent-again',
    file: 'src/client/requests.ts',
    find: 'this.#again = [...this.#sent.values()]; // Q2',
    replace: 'this.#again = []; // Q2',
    breaks: 'The client does not send again, on a resumed session, what was not answered.',
    invariants: ['75'],
  },
  {
    name: 'unanswered-forgotten',
    file: 'src/client/requests.ts',
    find: 'this.#queue = [...unanswered, ...this.#queue.slice(this.#head)]; // Q3',
    replace: 'this.#queue = this.#queue.slice(this.#head); // Q3',
    breaks: 'The client forgets what was not answered when its session could not be resumed.',
    invariants: ['75'],
  },
  {
    name: 'position-stands',
    file: 'src/client/core.ts',
    find: `    if (push.rev !== undefined && push.rev > this.#session.position) this.#session.position = push.rev; // C3
`,
    replace: '',
    breaks: 'The client names, when it comes back, the position at which its session began.',
    invariants: ['J'],
  },
  {
    name: 'stop-not-acknowledged',
    file: 'src/client/agent-core.ts',
    find: `      this.#enter(holding, GONE);
      this.#acknowledge(holding, phase.control);`,
    replace: `      this.#enter(holding, GONE);`,
    breaks: 'A holder that has stopped as it was told does not say so.',
    invariants: ['45'],
  },
];
