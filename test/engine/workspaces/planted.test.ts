/** Each bug of the table is found by playing random courses, from the first seed on. */
import { plantedPlays } from '../planted-plays.ts';
import { WORKSPACE_BUGS } from './planted.ts';
import { Play } from './play.ts';

const STEPS = 320;

plantedPlays({
  of: 'workspaces',
  bugs: WORKSPACE_BUGS,
  seedsMax: 400,
  play: (engine, seed, asked) => {
    new Play(engine, seed, { steps: STEPS, asked }).run();
  },
});
