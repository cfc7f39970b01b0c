/** Random courses of workspaces: the engine answers, keeps and tells what the model says, and one that was loaded does the same. */
import { it } from 'vitest';
import { playCourses } from '../random-courses.ts';
import { Play } from './play.ts';

const SEEDS = Number(process.env['WORKSPACE_SEEDS'] ?? 40);

it(`keeps to the model in ${SEEDS} random courses`, () => {
  playCourses({
    seeds: SEEDS,
    loadedEach: 70,
    play: (engine, seed, each: (play: Play) => void) => new Play(engine, seed, { steps: 320, each }),
    often: [
      'member.add',
      'member.remove',
      'member.setRole',
      'state.apply',
      'presence',
      'task.createBatch',
      'lock.acquire',
      'UNAUTHORIZED',
      'NOT_FOUND',
      'QUOTA_EXCEEDED',
      'INVALID_TRANSITION',
      'STATE_CONFLICT',
    ],
  });
}, 300_000);
