/** Processes of the bench end by their pid, whatever happens to them or to us. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { Child } from '../../bench/harness/child.ts';
import { Cleanup } from '../../bench/harness/cleanup.ts';
import { Spawned } from '../../bench/harness/spawned.ts';
import type { WorkerCalls } from '../../bench/dispatch/roles.ts';

function lives(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

describe('processes', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.close());

  function worker(): Promise<Child<WorkerCalls>> {
    const module = '../../bench/dispatch/limit-worker-role.ts';
    return Child.start<WorkerCalls>({ module, base: import.meta.url, cleanup });
  }

  it('answer calls, and report failures of calls', async () => {
    const child = await worker();
    expect(await child.call('executions', { from: 0, to: 2 })).toEqual({ once: 0, missing: 2, repeated: 0 });
    await expect(child.call('connect', { url: 'ws://127.0.0.1:1', key: '' })).rejects.toThrow('connect: ');
    await child.stop();
    expect(lives(child.pid)).toBe(false);
  });

  it('fail the calls that are open when they end', async () => {
    const child = await worker();
    const open = child.call('executions', { from: 0, to: 2 ** 40 });
    await Promise.all([expect(open).rejects.toThrow('SIGKILL'), child.kill()]);
    await expect(child.call('executions', { from: 0, to: 1 })).rejects.toThrow('has ended');
  });

  it('are stopped with the bench, programs too', async () => {
    const child = await worker();
    const program = await Spawned.start({
      command: process.execPath,
      args: ['-e', 'process.on("SIGTERM", () => process.exit(0)); console.log("hello"); setInterval(() => {}, 1000)'],
      cleanup,
    });
    const dir = cleanup.directory(tmpdir(), 'muster-bench-test-');
    await cleanup.close();
    expect([child.pid, program.pid].filter(lives)).toEqual([]);
    expect(existsSync(dir)).toBe(false);
  });

  it('say why they ended', async () => {
    const program = await Spawned.start({
      command: process.execPath,
      args: ['-e', 'console.log("last words"); process.exit(3)'],
      cleanup,
    });
    expect(await program.exited).toEqual({ code: 3, signal: null });
    expect(program.lastWords()).toMatch(/code 3.*\nlast words/);
  });

  it('that do not exist are named', async () => {
    await expect(Spawned.start({ command: '/nowhere/program', args: [], cleanup })).rejects.toThrow('/nowhere/program');
  });
});
