import { configDefaults, defineConfig } from 'vitest/config';

/**
 * Three projects: tests that share a process, since to load what they test takes longer than most of them; those that have one each;
 * and after both, two at a time, those that run real server and agent processes against the clock.
 * Of the tests many wait for a process or a time, so three run on two processors.
 */
const together = [
  'access',
  'calendar',
  'client',
  'documents',
  'engine',
  'http',
  'node',
  'protocol',
  'rules',
  'session',
].map((folder) => `test/${folder}/**/*.test.ts`);
const alone = ['chaos', 'cluster', 'bench', 'fuzz'].map((folder) => `test/${folder}/**/*.test.ts`);

const checked = {
  globalSetup: ['test/setup/built.ts'],
  setupFiles: ['test/setup/leaks.ts'],
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

export default defineConfig({
  test: {
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        test: { ...checked, name: 'together', include: together, isolate: false, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          ...checked,
          name: 'tests',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...together, ...alone],
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
