/**
 * Messages as `muster.v1.json` and back, for peers under test. It shares no code with the server: JSON is the platform's, MessagePack
 * msgpackr's.
 */
import { Packr, Unpackr } from 'msgpackr';
import type { Value } from '../../protocol/wire/types.ts';
import type { PeerConnection } from './transcript.ts';
import { fromJson, toJson, type Json } from './vectors/json-form.ts';

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });
const packr = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true });

/** A message of MessagePack as text: one frame a line. */
export function toText(message: Uint8Array): Buffer {
  const frames: Value[] = unpackr.unpackMultiple(Buffer.from(message)) ?? [];
  return Buffer.from(frames.map((frame) => JSON.stringify(toJson(frame))).join('\n'));
}

export function fromText(text: Uint8Array): Uint8Array {
  const lines = Buffer.from(text).toString('utf8').split('\n');
  return Buffer.concat(lines.map((line): Json => JSON.parse(line)).map((frame) => packr.pack(fromJson(frame))));
}

/** A connection that speaks text, as whoever speaks MessagePack sees it. */
export function spokenInText(connection: PeerConnection): PeerConnection {
  return {
    send: (bytes) => connection.send(toText(bytes)),
    onMessage: (receive) => connection.onMessage((text) => receive(fromText(text))),
    onClose: (closed) => connection.onClose(closed),
    drop: () => connection.drop(),
  };
}
