/** Random courses of notifications: agents that come back are told what they lack, and an engine that was loaded does the same. */
import { it } from 'vitest';
import { playCourses } from '../random-courses.ts';
import { Play } from './play.ts';

const SEEDS = Number(process.env['NOTIFICATION_SEEDS'] ?? 40);

it(`tells agents that come back what they lack in ${SEEDS} random courses`, () => {
  playCourses({
    seeds: SEEDS,
    loadedEach: 70,
    play: (engine, seed, each: (play: Play) => void) => new Play(engine, seed, { steps: 250, each }),
    often: ['to e', 'to c', 'to a', 'lost', 'resumed', 'told again', 'nothing missed', 'passed'],
  });
}, 300_000);
