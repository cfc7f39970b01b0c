/**
 * Cells of the database. Small rows (tenants), and the headers of snapshots, are sealed JSON: a flipped bit in one is
 * seen, not believed.
 */
import { chainBytes, EnvelopeKind, overheadBytes, seal, unseal } from '../envelope.ts';
import { LogFault } from '../port.ts';

export type Fields = Readonly<Record<string, string | number>>;

export function sealRecord(fields: Fields): Uint8Array {
  const payload = new TextEncoder().encode(JSON.stringify(fields));
  return seal({ kind: EnvelopeKind.record, epoch: 0, ts: Date.now() }, payload);
}

/** The fields of a record, each of which is taken by name and type. */
export class RecordReader {
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #what: string;

  constructor(what: string, stored: unknown) {
    const opened = stored instanceof Uint8Array ? unseal(EnvelopeKind.record, stored) : undefined;
    if (opened === undefined || !opened.ok) {
      const fault = opened === undefined || opened.ok ? 'CORRUPT' : opened.error;
      throw new LogFault(fault, `the record of ${what} cannot be read`);
    }
    const fields: unknown = JSON.parse(new TextDecoder().decode(opened.value.payload));
    this.#fields = new Map(typeof fields === 'object' && fields !== null ? Object.entries(fields) : []);
    this.#what = what;
  }

  text(name: string): string {
    const value = this.#fields.get(name);
    return typeof value === 'string' ? value : this.#missing(name);
  }

  integer(name: string): number {
    const value = this.#fields.get(name);
    return typeof value === 'number' && Number.isSafeInteger(value) ? value : this.#missing(name);
  }

  bytes(name: string): Uint8Array {
    return new Uint8Array(Buffer.from(this.text(name), 'hex'));
  }

  #missing(name: string): never {
    throw new LogFault('CORRUPT', `the record of ${this.#what} has no ${name}`);
  }
}

/** The cells of a row that was read raw. */
export function cells(row: unknown): readonly unknown[] {
  return Array.isArray(row) ? row : [];
}

/** An entry's stored bytes and the chain after it, from `entry.link`. */
export function linkOf(link: unknown): { readonly bytes: Uint8Array; readonly chain: Uint8Array } | undefined {
  if (!(link instanceof Uint8Array) || link.length < overheadBytes + chainBytes) return undefined;
  const end = link.length - chainBytes;
  return {
    bytes: new Uint8Array(link.buffer, link.byteOffset, end),
    chain: new Uint8Array(link.buffer, link.byteOffset + end, chainBytes),
  };
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
