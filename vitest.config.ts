import { configDefaults, defineConfig } from 'vitest/config';

/**
 * Two projects: the tests, and after them, two at a time, those that run real server and agent processes against the clock.
 * Of the tests many wait for a process or a time, so three run on two processors.
 */
const alone = [
  'test/chaos/**/*.test.ts',
  'test/cluster/**/*.test.ts',
  'test/bench/**/*.test.ts',
  'test/fuzz/**/*.test.ts',
];

export default defineConfig({
  test: {
    maxWorkers: 3,
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
          maxWorkers: 2,
          testTimeout: 300_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
