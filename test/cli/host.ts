/** The process that runs many commands (test/support/command-host.ts), as its parent sees it. */
import { fork, type ChildProcess, type ForkOptions } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { workerUrl } from '../../src/base/worker-url.ts';
import type { Answered, Asked } from '../support/command-host.ts';

const PROGRAM = fileURLToPath(workerUrl(import.meta.url, '../support/command-host.ts'));

interface Waiting {
  readonly answered: (answer: Answered) => void;
  readonly failed: (error: Error) => void;
}

export class CommandHost {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #count = 0;

  constructor(settings: Pick<ForkOptions, 'cwd' | 'env'>) {
    this.#process = fork(PROGRAM, [], { ...settings, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#process.on('message', (answer: Answered) => {
      this.#waiting.get(answer.id)?.answered(answer);
      this.#waiting.delete(answer.id);
    });
    this.#process.once('exit', (code) => {
      for (const { failed } of this.#waiting.values()) failed(new Error(`the process of commands ended with ${code}`));
      this.#waiting.clear();
    });
  }

  run(args: readonly string[]): Promise<Answered> {
    return new Promise((answered, failed) => {
      const asked: Asked = { id: (this.#count += 1), args };
      this.#waiting.set(asked.id, { answered, failed });
      this.#process.send(asked, (error) => {
        if (error !== null) failed(error);
      });
    });
  }

  async close(): Promise<void> {
    if (!this.#process.connected) return;
    const exited = once(this.#process, 'exit');
    this.#process.disconnect();
    await exited;
  }
}
