import type { Scenario } from '../harness/scenario.ts';
import { BenchError } from '../harness/scenario.ts';
export const recovery: Scenario = {
  name: 'recovery',
  summary: 'x',
  runs: 3,
  run: () => Promise.reject(new BenchError('later')),
};
