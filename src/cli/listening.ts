/** Following topics: what was said before, then what is said, each once and in order, over reconnects and lost sessions. */
import type { Client, Push, Results, Value } from '../client/node.ts';
import type { Context } from './context.ts';
import { CliError, Exit } from './exit.ts';
import { toJson } from './output.ts';

export interface FollowFlags {
  readonly since?: number | undefined;
  readonly count?: number;
}

/** Something that was said. */
interface Said {
  readonly rev?: number;
  readonly e: string;
  readonly t: string;
  readonly d: Value;
}

/** Said while what is older is still read: more than this ends the command. */
const HELD_MAX = 10_000;

/** Prints what is said on topics until it is stopped. With `again` it reads what it may have missed when its session was lost. */
export async function follow(
  topics: readonly string[],
  flags: FollowFlags & { readonly again?: boolean },
  context: Context,
): Promise<void> {
  const stopped = context.untilStopped();
  await context.with(async (client) => {
    const heard = new Heard(flags, context);
    client.on('push', ({ event: e, topic: t, data: d, rev }: Push) => {
      if (t !== undefined) heard.now({ ...(rev === undefined ? {} : { rev }), e, t, d });
    });
    let reading = read(client, { topics, since: flags.since }, heard);
    client.on('gap', () => {
      if (flags.again !== true || heard.last === undefined) return heard.lost();
      const since = heard.last;
      heard.hold();
      // One reading after another: each holds back what is new until it has come to an end.
      reading = reading.then(() => read(client, { topics, since }, heard)).catch((error: unknown) => heard.fail(error));
    });
    await reading;
    const ended = await Promise.race([stopped, heard.enough, client.whenClosed()]);
    if (ended instanceof Error) throw ended;
  });
}

async function read(
  client: Client,
  { topics, since }: { readonly topics: readonly string[]; readonly since: number | undefined },
  heard: Heard,
): Promise<void> {
  heard.hold();
  for (const topic of topics) await subscribe(client, { topic, since }, heard);
  heard.caughtUp();
}

/** `missed` of every topic comes in order, that of several topics topic by topic. */
async function subscribe(
  client: Client,
  { topic, since }: { readonly topic: string; readonly since: number | undefined },
  heard: Heard,
): Promise<void> {
  const told = await client.topic.subscribe({ topic, ...(since === undefined ? {} : { since }) });
  for (const { topic: t = topic, data } of told.latest ?? []) heard.before({ e: 'latest', t, d: data });
  for (let page: Results['topic.subscribe'] = told; ;) {
    for (const { rev, e, t = topic, d } of page.missed ?? []) heard.before({ rev, e, t, d });
    const { until } = page;
    if (until === undefined) {
      if (page.gap === true) heard.lost();
      return;
    }
    page = await client.topic.subscribe({ topic, since: until });
  }
}

/** Prints what was said once, what is older before what is newer. */
class Heard {
  readonly #context: Context;
  readonly #printed = new Set<number>();
  #held: Said[] | undefined = [];
  /** The newest that was printed. */
  last: number | undefined;
  #left: number;
  #enough: () => void = () => undefined;
  #failed: (error: Error) => void = () => undefined;
  readonly enough = new Promise<void>((resolve, reject) => {
    this.#enough = resolve;
    this.#failed = reject;
  });

  constructor(flags: FollowFlags, context: Context) {
    this.#context = context;
    this.#left = flags.count ?? Infinity;
    this.enough.catch(() => undefined);
  }

  now(said: Said): void {
    if (this.#held === undefined) return this.#print(said);
    this.#held.push(said);
    if (this.#held.length > HELD_MAX) {
      this.#failed(new CliError('BEHIND', 'More is said than can be caught up with.', Exit.FAILED));
    }
  }

  /** What is said from now on waits until what is older has been read. */
  hold(): void {
    this.#held ??= [];
  }

  fail(error: unknown): void {
    this.#failed(error instanceof Error ? error : new Error(String(error)));
  }

  /** A message that two of the topics mean is in what was missed of both. */
  before(said: Said): void {
    if (said.rev !== undefined && this.#printed.has(said.rev)) return;
    if (said.rev !== undefined) this.#printed.add(said.rev);
    this.#print(said);
  }

  lost(): void {
    this.#context.output.note('some of what was said is no longer kept');
  }

  caughtUp(): void {
    for (const said of this.#held ?? []) if (said.rev === undefined || !this.#printed.has(said.rev)) this.#print(said);
    this.#held = undefined;
    this.#printed.clear();
  }

  #print(said: Said): void {
    if (this.#left <= 0) return;
    if (said.rev !== undefined) this.last = Math.max(this.last ?? 0, said.rev);
    this.#context.output.result(said, () => `${said.t}  ${said.e}  ${toJson(said.d)}`);
    this.#left -= 1;
    if (this.#left <= 0) this.#enough();
  }
}
