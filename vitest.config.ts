import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const root = fileURLToPath(new URL('./', import.meta.url));

/**
 * What tests import is what the build made, as users run it (test/setup/built.ts has seen to it that it is there): Node loads it as it is,
 * where vite would turn each import into the look at a property. Hot code takes a third of the time.
 */
const built = {
  name: 'built',
  enforce: 'pre',
  resolveId(source: string, importer: string | undefined): string | undefined {
    if (importer === undefined || !source.startsWith('.') || !source.endsWith('.ts')) return undefined;
    const file = relative(root, join(dirname(importer), source)).replace(/\.ts$/, '.js');
    const compiled = join(root, 'dist', file);
    return existsSync(compiled) ? compiled : undefined;
  },
} as const;

/**
 * Three projects: tests that share a process, since to load what they test takes longer than most of them; those that have one each;
 * and after both, two at a time, those that run real server and agent processes against the clock.
 * Of the tests many wait for a process or a time, so three run on two processors.
 */
/** These take longest: they begin first, so that at the end no processor waits for one of them. */
const longest = [
  'chaos/chaos',
  'chaos/linearizability/lock-history',
  'bench/run',
  'cluster/load',
  'fuzz/fuzz',
  'cli/e2e',
  'transport/sockets',
  'doctor/doctor',
  'upgrade/folders',
  'simulation/planted',
  'cli/jobs',
  'simulation/seeds',
].map((name) => join(root, 'test', `${name}.test.ts`));

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = longest.indexOf(moduleId);
      return at < 0 ? longest.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

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
  plugins: [built],
  test: {
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    server: { deps: { external: [/\/dist\/(?:src|protocol|bench|test)\//] } },
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
