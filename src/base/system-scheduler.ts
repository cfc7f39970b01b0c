/** The scheduler of a real process: its clocks and timers. */
import type { Scheduler } from './scheduler.ts';

export const systemScheduler: Scheduler = {
  now: () => Date.now(),
  mono: () => performance.now(),
  defer(fn) {
    setImmediate(fn);
  },
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};
