/** The log of sessions in a run: what ended in an exception is trouble, the rest is nothing. */
import type { Log } from '../../src/telemetry/port.ts';
import type { Recorder } from './recorder.ts';

export function sessionLog(recorder: Pick<Recorder, 'trouble'>): Log {
  const nothing = (): void => undefined;
  const error = (message: string, fields?: object): void => {
    const cause = fields !== undefined && 'error' in fields ? fields.error : undefined;
    recorder.trouble('exception', `${message}: ${cause instanceof Error ? cause.stack : String(cause)}`);
  };
  return { debug: nothing, info: nothing, warn: nothing, error };
}
