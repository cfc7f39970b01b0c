/** Each bug of the table is found by playing random courses, from the first seed on. */
import { plantedPlays } from '../planted-plays.ts';
import { LOCK_BUGS } from './planted.ts';
import { Play } from './play.ts';

const STEPS = 250;

plantedPlays({
  of: 'locks',
  bugs: LOCK_BUGS,
  seedsMax: 300,
  play: (engine, seed) => {
    new Play(engine, seed, { steps: STEPS, patient: seed % 3 === 0 }).run();
  },
});
