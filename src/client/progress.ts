/**
 * Progress of running tasks on its way to the server: the latest of each, seldom.
 *
 * G1 One report of a task is unanswered at a time, and two begin at least 200 ms apart; what comes between is
 *    replaced by what comes later.
 */
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Reply } from './core.ts';
import type { Holding } from './holdings.ts';
import { cut } from './text.ts';

const PROGRESS_MS = 200;

export interface Report {
  readonly percentComplete: number;
  readonly status?: string;
}

interface Track {
  next: Report | undefined;
  at: number;
  asked: boolean;
}

export interface ProgressOptions {
  readonly scheduler: Scheduler;
  /** Asks for a turn to be written. */
  wake(): void;
  send(holding: Holding, report: Report, done: (reply: Reply) => void): void;
}

export class ProgressReports {
  readonly #options: ProgressOptions;
  readonly #tracks = new WeakMap<Holding, Track>();
  /** Have something to report. */
  readonly #due = new Set<Holding>();
  #cancel: (() => void) | undefined;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  report(holding: Holding, percentComplete: number, status: string | undefined): void {
    if (holding.phase.kind !== 'running') return;
    let track = this.#tracks.get(holding);
    if (track === undefined) this.#tracks.set(holding, (track = { next: undefined, at: -Infinity, asked: false }));
    const percent = Math.max(0, Math.min(100, Math.floor(percentComplete) || 0));
    track.next = {
      percentComplete: percent,
      ...(status === undefined ? {} : { status: cut(status, PEER_LIMITS.reasonBytes) }),
    };
    this.#due.add(holding);
    if (this.#options.scheduler.mono() - track.at >= PROGRESS_MS) this.#options.wake();
    else this.#arm();
  }

  /** A turn is about to be written. */
  writing(): void {
    if (this.#due.size === 0) return;
    const now = this.#options.scheduler.mono();
    for (const holding of this.#due) {
      const track = this.#tracks.get(holding);
      if (holding.phase.kind !== 'running' || track?.next === undefined) this.#due.delete(holding);
      else if (!track.asked && now - track.at >= PROGRESS_MS) this.#ask(holding, track, track.next);
    }
    if (this.#due.size > 0) this.#arm();
  }

  end(): void {
    this.#cancel?.();
    this.#due.clear();
  }

  #ask(holding: Holding, track: Track, report: Report): void {
    this.#due.delete(holding);
    track.next = undefined;
    track.at = this.#options.scheduler.mono();
    track.asked = true; // G1
    this.#options.send(holding, report, () => {
      track.asked = false;
    });
  }

  #arm(): void {
    this.#cancel ??= this.#options.scheduler.after(PROGRESS_MS, () => {
      this.#cancel = undefined;
      if (this.#due.size > 0) this.#options.wake();
    });
  }
}
