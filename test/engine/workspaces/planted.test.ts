/** Each bug of the table is found by playing random courses, from the first seed on. */
import { plantedPlays } from '../planted-plays.ts';
import { WORKSPACE_BUGS } from './planted.ts';
import { Play } from './play.ts';

const STEPS = 250;

plantedPlays({
  of: 'workspaces',
  bugs: WORKSPACE_BUGS,
  seedsMax: 100,
  play: (engine, seed) => {
    new Play(engine, seed, { steps: STEPS }).run();
  },
});
