/** The few figures of the server's /metrics that this bench needs. */
import { get } from 'node:http';
import { BenchError } from '../harness/scenario.ts';

export interface ServerMetrics {
  /** Commands that this process appended to the log. */
  readonly commands: number;
  readonly checkpoints: number;
  /** Time that they took, all together. */
  readonly checkpointMs: number;
}

export async function readMetrics(http: string): Promise<ServerMetrics> {
  const text = await readMetricsText(http);
  return {
    commands: metric(text, 'muster_log_entry_commands_sum'),
    checkpoints: metric(text, 'muster_checkpoint_seconds_count'),
    checkpointMs: metric(text, 'muster_checkpoint_seconds_sum') * 1_000,
  };
}

/** The value of a metric without labels. */
export function metric(text: string, name: string): number {
  const line = text.split('\n').find((row) => row.startsWith(`${name} `));
  if (line === undefined) throw new BenchError(`/metrics does not show ${name}.`);
  return Number(line.slice(name.length + 1));
}

/** All of /metrics. */
export function readMetricsText(http: string): Promise<string> {
  const url = new URL('/metrics', http);
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    }).once('error', reject);
  });
}
