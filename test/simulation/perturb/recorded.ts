/** The logs of a run as a file, for processes that replay them. */
import type { Bounds } from '../plan.ts';
import type { Kept } from '../server-view.ts';

export interface Recorded {
  readonly bounds: Bounds;
  readonly followUps: number;
  readonly logs: readonly { readonly tenant: string; readonly entries: readonly Kept[] }[];
}

interface Written extends Omit<Recorded, 'logs'> {
  readonly logs: readonly {
    readonly tenant: string;
    readonly entries: readonly (Omit<Kept, 'payload'> & { readonly payload: string })[];
  }[];
}

export function writeRecorded({ logs, ...rest }: Recorded): string {
  const written: Written = {
    ...rest,
    logs: logs.map(({ tenant, entries }) => ({
      tenant,
      entries: entries.map(({ seq, epoch, ts, payload }) => {
        return { seq, epoch, ts, payload: Buffer.from(payload).toString('base64') };
      }),
    })),
  };
  return JSON.stringify(written);
}

export function readRecorded(text: string): Recorded {
  const { logs, ...rest }: Written = JSON.parse(text);
  const read = (payload: string): Uint8Array => new Uint8Array(Buffer.from(payload, 'base64'));
  return {
    ...rest,
    logs: logs.map(({ tenant, entries }) => ({
      tenant,
      entries: entries.map((entry) => ({ ...entry, payload: read(entry.payload) })),
    })),
  };
}
