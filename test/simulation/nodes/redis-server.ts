/**
 * One server of a simulated Redis: what it holds, whom it follows, who waits at it.
 *
 * Owns: the order of commands, scripts, blocking reads and WAIT, what replicas have. Does not own: connections on their way
 * (redis-wire.ts), which server is whose primary when (redis-world.ts).
 *
 * RSV1 A command, or a script, runs alone and is replicated as a whole.
 * RSV2 A script is refused for want of memory or replicas at its first write, or never.
 * RSV3 What a client is told is durable here, since the file is synced before an answer is written.
 */
import { createHash } from 'node:crypto';
import { compileLua, LIBRARY, LuaError, LuaTable, luaText, type Lua } from './lua.ts';
import { answerOf, COMMANDS, orderOf, placeOf, RedisData, Refused, type Answer } from './redis-data.ts';
import type { Lane } from '../scheduler.ts';

type Write = readonly [command: string, ...args: string[]];
type Told = (answer: Answer | Refused) => void;
type Chunk = ReturnType<typeof compileLua>;

/** Compiled once for all servers of a process: the text says everything. */
export class ScriptShelf {
  readonly #chunks = new Map<string, Chunk>();

  chunk(text: string): Chunk {
    const known = this.#chunks.get(text);
    if (known !== undefined) return known;
    const made = compileLua(text);
    this.#chunks.set(text, made);
    return made;
  }
}

interface Reading {
  readonly client: string;
  readonly streams: readonly { readonly key: string; readonly after: string }[];
  readonly count: number;
  readonly told: Told;
  readonly cancel: () => void;
}

interface Awaiting {
  readonly offset: number;
  readonly replicas: number;
  readonly told: Told;
  readonly cancel: () => void;
}

export interface ServerParts {
  readonly name: string;
  readonly lane: Lane;
  readonly shelf: ScriptShelf;
  /** Drawn for each process. */
  readonly runId: () => string;
  /** It was done, as a primary does it: what one command, or one script, wrote. */
  readonly wrote: (server: RedisServer, writes: readonly Write[]) => void;
  readonly minReplicas: number;
}

export class RedisServer {
  readonly name: string;
  readonly #parts: ServerParts;
  data = new RedisData();
  runId: string;
  up = true;
  role: 'primary' | 'replica' = 'primary';
  /** Memory is full. */
  full = false;
  /** Its disk fails: it takes no writes. */
  misconfigured = false;
  wallOffsetMs = 0;
  /** Writes so far; of a replica: those of its primary that it has. */
  offset = 0;
  /** Since when too few replicas follow; undefined: enough do. */
  lonelySince: number | undefined;
  readonly #scripts = new Map<string, Chunk>();
  readonly #replicas = new Set<Replica>();
  #reading: Reading[] = [];
  #awaiting: Awaiting[] = [];

  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.runId = parts.runId();
  }

  /** The process is another one, with what was on its disk. */
  restarted(): void {
    this.up = true;
    this.runId = this.#parts.runId();
    this.forget();
  }

  /** Whoever waits gets no answer any more: the connections are gone. */
  forget(): void {
    this.#scripts.clear();
    for (const { cancel } of [...this.#reading, ...this.#awaiting]) cancel();
    this.#reading = [];
    this.#awaiting = [];
  }

  flushScripts(): void {
    this.#scripts.clear();
  }

  follow(replica: Replica): void {
    this.#replicas.add(replica);
  }

  unfollow(replica: Replica): void {
    this.#replicas.delete(replica);
  }

  execute(client: string, [command = '', ...args]: readonly string[], told: Told): void {
    try {
      if (command === 'XREAD') return this.#read(client, args, told);
      if (command === 'WAIT') return this.#wait(args, told);
      told(this.#plain(client, command, args));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      told(error);
    }
  }

  /** A replica has more than before. */
  acknowledged(): void {
    const ready = this.#awaiting.filter((one) => this.#replicasWith(one.offset) >= one.replicas);
    if (ready.length === 0) return;
    this.#awaiting = this.#awaiting.filter((one) => !ready.includes(one));
    for (const { cancel, told, offset } of ready) {
      cancel();
      told(this.#replicasWith(offset));
    }
  }

  apply(writes: readonly Write[]): void {
    for (const [command, ...args] of writes) this.data.run(command, args);
    this.offset += 1;
  }

  #plain(client: string, command: string, args: readonly string[]): Answer {
    switch (command) {
      case 'INFO':
        return this.#info();
      case 'CONFIG':
        return this.#setting(args[1] ?? '');
      case 'CLIENT':
        return this.#client(client, args);
      case 'EVALSHA':
      case 'EVAL':
        return this.#script(command, args);
      default:
        return this.#alone((writes) => this.#run(command, args, writes));
    }
  }

  /** RSV1 */
  #alone(work: (writes: Write[]) => Answer): Answer {
    const writes: Write[] = [];
    try {
      return work(writes);
    } finally {
      if (writes.length > 0) this.#wrote(writes);
    }
  }

  #wrote(writes: readonly Write[]): void {
    this.offset += 1;
    for (const replica of this.#replicas) replica.send(writes);
    this.#parts.wrote(this, writes);
    this.#wake();
  }

  #run(command: string, args: readonly string[], writes: Write[]): Answer {
    const known = COMMANDS[command];
    if (known?.writes === true && writes.length === 0) this.#admit(known.grows); // RSV2
    const answer = this.data.run(command, args);
    if (known?.writes === true) writes.push([command, ...args]);
    return answer;
  }

  #admit(grows: boolean): void {
    if (this.role === 'replica') throw new Refused("READONLY You can't write against a read only replica.");
    if (this.misconfigured) throw new Refused('MISCONF Errors writing to the AOF file: No space left on device');
    if (this.full && grows) throw new Refused("OOM command not allowed when used memory > 'maxmemory'.");
    const { minReplicas, lane } = this.#parts;
    if (minReplicas > 0 && this.lonelySince !== undefined && lane.mono() - this.lonelySince > MAX_LAG_MS)
      throw new Refused('NOREPLICAS Not enough good replicas to write.');
  }

  #script(command: string, [what = '', count = '0', ...rest]: readonly string[]): Answer {
    const chunk = command === 'EVAL' ? this.#parts.shelf.chunk(what) : this.#scripts.get(what);
    if (chunk === undefined) throw new Refused('NOSCRIPT No matching script. Please use EVAL.');
    if (command === 'EVAL') this.#scripts.set(createHash('sha1').update(what).digest('hex'), chunk);
    const keys = new LuaTable(rest.slice(0, Number(count)));
    const argv = new LuaTable(rest.slice(Number(count)));
    return this.#alone((writes) => {
      const call = (name: Lua, ...args: readonly Lua[]): Lua => this.#called(luaText(name), args.map(luaText), writes);
      const sha1hex = (value: Lua): Lua =>
        createHash('sha1')
          .update(Buffer.from(luaText(value), 'latin1'))
          .digest('hex');
      const redis = new LuaTable(
        [],
        [
          ['call', call],
          ['sha1hex', sha1hex],
        ],
      );
      try {
        return answerIn(chunk(new Map<string, Lua>([...LIBRARY, ['redis', redis], ['KEYS', keys], ['ARGV', argv]])));
      } catch (error) {
        if (error instanceof LuaError) throw new Refused(`ERR ${error.message}`, { cause: error });
        throw error;
      }
    });
  }

  #called(command: string, args: readonly string[], writes: Write[]): Lua {
    if (command === 'TIME') {
      const now = this.#parts.lane.now() + this.wallOffsetMs;
      return new LuaTable([String(Math.floor(now / 1_000)), String((now % 1_000) * 1_000)]);
    }
    return luaIn(this.#run(command, args, writes));
  }

  #info(): string {
    const fields = {
      redis_version: '7.0.15',
      run_id: this.runId,
      loading: '0',
      role: this.role === 'primary' ? 'master' : 'slave',
      connected_slaves: String(this.#replicas.size),
      used_memory: '1000000',
      maxmemory: '0',
    };
    return Object.entries(fields)
      .map(([name, value]) => `${name}:${value}`)
      .join('\r\n');
  }

  #setting(name: string): Answer {
    const value = {
      appendonly: 'yes',
      appendfsync: 'always',
      'no-appendfsync-on-rewrite': 'no',
      'maxmemory-policy': 'noeviction',
      'min-replicas-to-write': String(this.#parts.minReplicas),
      'min-replicas-max-lag': '2',
    }[name];
    return value === undefined ? [] : [name, value];
  }

  #client(client: string, [what, id]: readonly string[]): Answer {
    if (what === 'ID') return client;
    if (what !== 'UNBLOCK') throw new Refused('ERR syntax error');
    const found = this.#reading.find((one) => one.client === id);
    if (found === undefined) return 0;
    this.#end(found, null);
    return 1;
  }

  #read(client: string, args: readonly string[], told: Told): void {
    const at = args.indexOf('STREAMS');
    const names = args.slice(at + 1);
    const half = names.length / 2;
    const streams = names.slice(0, half).map((key, i) => ({ key, after: names[half + i] ?? '0-0' }));
    const count = Number(args[args.indexOf('COUNT') + 1]);
    const found = this.#found(streams, count);
    if (found !== null) return told(found);
    const blockMs = Number(args[args.indexOf('BLOCK') + 1]);
    const reading: Reading = {
      client,
      streams,
      count,
      told,
      cancel: this.#parts.lane.after(blockMs, () => this.#end(reading, null)),
    };
    this.#reading.push(reading);
  }

  #found(streams: Reading['streams'], count: number): Answer {
    const found = streams.flatMap(({ key, after }) => {
      const elements = this.data.stream(key);
      const from = placeOf(elements, orderOf(after), true);
      const some = elements.slice(from, from + count);
      return some.length === 0 ? [] : [[key, some.map(answerOf)]];
    });
    return found.length === 0 ? null : found;
  }

  #wake(): void {
    for (const reading of this.#reading.slice()) {
      const found = this.#found(reading.streams, reading.count);
      if (found !== null) this.#end(reading, found);
    }
  }

  #end(reading: Reading, answer: Answer): void {
    if (!this.#reading.includes(reading)) return;
    this.#reading = this.#reading.filter((one) => one !== reading);
    reading.cancel();
    reading.told(answer);
  }

  #wait([replicas = '0', ms = '0']: readonly string[], told: Told): void {
    const awaiting: Awaiting = {
      offset: this.offset,
      replicas: Number(replicas),
      told,
      cancel: this.#parts.lane.after(Number(ms), () => {
        if (!this.#awaiting.includes(awaiting)) return;
        this.#awaiting = this.#awaiting.filter((one) => one !== awaiting);
        told(this.#replicasWith(awaiting.offset));
      }),
    };
    this.#awaiting.push(awaiting);
    this.acknowledged();
  }

  #replicasWith(offset: number): number {
    return [...this.#replicas].filter(({ acknowledgedOffset }) => acknowledgedOffset >= offset).length;
  }
}

const MAX_LAG_MS = 2_000;

/** One replica as its primary sees it. */
export interface Replica {
  /** Up to here it said that it has everything. */
  readonly acknowledgedOffset: number;
  send(writes: readonly Write[]): void;
}

function luaIn(answer: Answer): Lua {
  if (answer === null) return false;
  if (typeof answer === 'string' || typeof answer === 'number') return answer;
  return new LuaTable(answer.map(luaIn));
}

function answerIn(value: Lua): Answer {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return Math.trunc(value);
  if (value instanceof LuaTable) return value.list.map(answerIn);
  return value === true ? 1 : null;
}

export type { Told, Write };
