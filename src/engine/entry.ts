/**
 * A log entry as bytes: `[version, node, random, [command…]]`, MessagePack. Commands are arrays, shortest for
 * requests, which are nearly all of them. The engine applies only what was decoded from the stored bytes.
 */
import { decodeValue, encodeValue } from '../../protocol/wire/codec.ts';
import type { Value, ValueMap } from '../../protocol/wire/types.ts';
import { assert } from '../base/assert.ts';
import type { Command, Entry, RequestCommand, SystemCommand } from './port.ts';

const FORMAT = 1;

export interface EntryStamp {
  readonly seq: number;
  readonly epoch: number;
  readonly ts: number;
}

export function encodeEntry(entry: {
  readonly node: string;
  readonly random: Uint8Array;
  readonly commands: readonly Command[];
}): Uint8Array {
  return encodeValue([FORMAT, entry.node, entry.random, entry.commands.map(toWire)]);
}

function toWire(command: Command): Value {
  if (command.kind !== 'request') return [command.kind, withoutKind(command)];
  const { session, id, hash, ack, method, params, key } = command;
  return key === undefined
    ? [0, session, id, hash, ack, method, params]
    : [0, session, id, hash, ack, method, params, key];
}

function withoutKind(command: SystemCommand): ValueMap {
  const { kind: _, ...rest } = command;
  return rest as unknown as ValueMap;
}

export function decodeEntry(payload: Uint8Array, stamp: EntryStamp): Entry {
  const value = decodeValue(payload);
  assert(Array.isArray(value) && value.length === 4, 'an entry is an array of four');
  const [format, node, random, commands] = value as unknown as [number, string, Uint8Array, readonly Value[]];
  assert(format === FORMAT, `entry format ${format} is known`);
  assert(random instanceof Uint8Array && random.length === 16, 'an entry has 16 random bytes');
  return { ...stamp, node, random, commands: commands.map(fromWire) };
}

function fromWire(value: Value): Command {
  assert(Array.isArray(value), 'a command is an array');
  const parts = value as readonly Value[];
  if (parts[0] !== 0) {
    return { kind: parts[0], ...(parts[1] as ValueMap) } as unknown as SystemCommand;
  }
  const [, session, id, hash, ack, method, params, key] = parts as unknown as [
    0,
    string,
    number,
    number,
    number,
    RequestCommand['method'],
    Value,
    string | undefined,
  ];
  const command = { kind: 'request', session, id, hash, ack, method, params } as const;
  return key === undefined ? command : { ...command, key };
}
