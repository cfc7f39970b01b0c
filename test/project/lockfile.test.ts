/** What is installed, by package-lock.json. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

interface Package {
  readonly version: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly dependencies?: { readonly [name: string]: string };
}

interface Locked {
  readonly packages: { readonly [path: string]: Package };
}

const { packages } = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as Locked;

function versionsOf(name: string): number[] {
  return Object.entries(packages)
    .filter(([path]) => path.endsWith(`node_modules/${name}`))
    .map(([, { version }]) => {
      const [major = 0, minor = 0] = version.split('.').map(Number);
      return major + minor / 1_000;
    });
}

it('has one ws, and it and msgpackr are not those with known holes', () => {
  // Before 8.23 a peer could exhaust memory by empty fragments; before 2.1 msgpackr could be made to loop for ever.
  const ws = versionsOf('ws');
  expect(ws).toHaveLength(1);
  expect(ws[0]).toBeGreaterThanOrEqual(8.023);
  for (const version of versionsOf('msgpackr')) expect(version).toBeGreaterThanOrEqual(2.001);
});

it('has msgpackr for BullMQ alone, which packs with it and unpacks nothing', () => {
  const takers = Object.entries(packages)
    .filter(([path, { dependencies = {} }]) => path !== '' && 'msgpackr' in dependencies)
    .map(([path]) => path);
  expect(takers).toEqual(['node_modules/bullmq']);
  const root = fileURLToPath(new URL('../../node_modules/bullmq/dist/esm/', import.meta.url));
  const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .map((name) => readFileSync(join(root, name), 'utf8'));
  const users = sources.filter((source) => source.includes("'msgpackr'"));
  expect(users).toHaveLength(1);
  expect(users[0]).toMatch(/^import \{ Packr \} from 'msgpackr';$/m);
  // The packer is used for this one method, and nothing is read by it.
  expect(users[0]?.match(/\bpacker\b.*/g)).toEqual(['packer = new Packr({', 'packer.pack;']);
  expect(users[0]).not.toMatch(/unpack|decode|Unpackr/);
});

it('has the hash of everything that is fetched', () => {
  const fetched = Object.entries(packages).filter(([path]) => path !== '');
  expect(fetched.length).toBeGreaterThan(100);
  expect(fetched.filter(([, { integrity }]) => integrity === undefined).map(([path]) => path)).toEqual([]);
});

it('installs for the server what package.json says that it needs, and all of that', () => {
  const { dependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as Package;
  const root = packages['']?.dependencies;
  expect(root).toEqual(dependencies);
  // `npm ci --omit=dev` leaves out whatever is marked as for development, also when something that stays needs it.
  const lost: string[] = [];
  for (const [path, { dev = false, dependencies: needs = {} }] of Object.entries(packages)) {
    for (const name of dev ? [] : Object.keys(needs)) if (isForDevelopment(path, name)) lost.push(`${path} → ${name}`);
  }
  expect(lost).toEqual([]);
});

/** As Node looks for it: beside the package, then above. */
function isForDevelopment(path: string, name: string): boolean {
  const above = path === '' ? undefined : path.replace(/\/?node_modules\/(?:@[^/]+\/)?[^/]+$/, '');
  const found = packages[`${path === '' ? '' : `${path}/`}node_modules/${name}`];
  if (found !== undefined) return found.dev === true;
  return above === undefined || isForDevelopment(above, name);
}
