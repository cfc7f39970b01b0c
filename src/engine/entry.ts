/**
 * A log entry as bytes: `[version, node, random, [text…], [command…]]`, MessagePack. Commands are arrays, shortest for
 * requests, which are nearly all of them: their session and method, which repeat, are indexes into the texts.
 * The engine applies only what was decoded from the stored bytes.
 */
import { decodeValue, encodeBy, type Encoder } from '../../protocol/wire/codec.ts';
import type { Value, ValueMap } from '../../protocol/wire/types.ts';
import { assert } from '../base/assert.ts';
import type { Command, Entry, RequestCommand, SystemCommand } from './port.ts';

const FORMAT = 2;

export interface EntryStamp {
  readonly seq: number;
  readonly epoch: number;
  readonly ts: number;
}

/** Session and method of the requests of an entry, each once. */
class Texts {
  readonly all: string[] = [];

  of(text: string): number {
    // Entries are short and mostly of few sessions: walking the list costs less than a map.
    const known = this.all.lastIndexOf(text);
    return known >= 0 ? known : this.all.push(text) - 1;
  }
}

export function encodeEntry(entry: {
  readonly node: string;
  readonly random: Uint8Array;
  readonly commands: readonly Command[];
}): Uint8Array {
  const { node, random, commands } = entry;
  const texts = new Texts();
  for (const command of commands) {
    if (command.kind !== 'request') continue;
    texts.of(command.session);
    texts.of(command.method);
  }
  return encodeBy((to) => {
    to.arrayHead(5);
    to.number(FORMAT);
    to.string(node);
    to.value(random);
    to.value(texts.all);
    to.arrayHead(commands.length);
    for (const command of commands) {
      if (command.kind === 'request') writeRequest(to, command, texts);
      else to.value([command.kind, withoutKind(command)]);
    }
  });
}

function writeRequest(to: Encoder, command: RequestCommand, texts: Texts): void {
  const { session, id, hash, ack, method, params, key } = command;
  to.arrayHead(key === undefined ? 7 : 8);
  to.number(0);
  to.number(texts.of(session));
  to.number(id);
  to.number(hash);
  to.number(ack);
  to.number(texts.of(method));
  to.value(params);
  if (key !== undefined) to.string(key);
}

function withoutKind(command: SystemCommand): ValueMap {
  const { kind: _, ...rest } = command;
  return rest as unknown as ValueMap;
}

export function decodeEntry(payload: Uint8Array, stamp: EntryStamp): Entry {
  const value = decodeValue(payload);
  assert(Array.isArray(value), 'an entry is an array');
  const parts: readonly Value[] = value;
  assert(parts[0] === FORMAT && parts.length === 5, 'the entry has the format of this build');
  const [, node, random, texts, commands] = parts;
  assert(typeof node === 'string', 'an entry names its node');
  assert(random instanceof Uint8Array && random.length === 16, 'an entry has 16 random bytes');
  assert(Array.isArray(texts) && Array.isArray(commands), 'an entry has texts and commands');
  const { seq, epoch, ts } = stamp;
  return { seq, epoch, ts, node, random, commands: commandsOf(commands, texts) };
}

function commandsOf(values: readonly Value[], texts: readonly Value[]): readonly Command[] {
  const commands: Command[] = [];
  for (const value of values) {
    assert(Array.isArray(value), 'a command is an array');
    commands.push(fromWire(value, texts));
  }
  return commands;
}

function fromWire(parts: readonly Value[], texts: readonly Value[]): Command {
  if (parts[0] !== 0) return { kind: parts[0], ...(parts[1] as ValueMap) } as unknown as SystemCommand;
  const [session, method] = [texts[parts[1] as number], texts[parts[5] as number]];
  assert(typeof session === 'string' && typeof method === 'string', 'a request names its session and method');
  return {
    kind: 'request',
    session,
    id: parts[2] as number,
    hash: parts[3] as number,
    ack: parts[4] as number,
    method: method as RequestCommand['method'],
    params: parts[6] ?? null,
    key: parts[7] as string | undefined,
  };
}
