import { configDefaults, defineConfig } from 'vitest/config';

/**
 * Two projects: the tests, and after them, alone on the machine, those that run real server and agent processes
 * against the clock.
 */
const alone = ['test/chaos/**/*.test.ts', 'test/bench/**/*.test.ts', 'test/fuzz/**/*.test.ts'];

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'tests',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...alone],
          globalSetup: ['test/setup/built.ts'],
          setupFiles: ['test/setup/leaks.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'processes',
          globalSetup: ['test/setup/built.ts'],
          include: alone,
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
