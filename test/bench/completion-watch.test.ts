import { describe, expect, it } from 'vitest';
import { CompletionWatch } from '../../bench/dispatch/completion-watch.ts';

function completed(id: string): Parameters<CompletionWatch['push']>[0] {
  return { event: 'task.completed', topic: `task.${id}`, data: { id, status: 'completed' }, rev: 1 };
}

describe('the watch for completions', () => {
  it('knows a task whichever comes first, the answer or the event', () => {
    const told: number[] = [];
    const watch = new CompletionWatch((sequence) => told.push(sequence));
    watch.created('a', 1);
    watch.push(completed('a'));
    watch.push(completed('b'));
    watch.created('b', 2);
    expect(told).toEqual([1, 2]);
    expect(watch.unexplained).toBe(0);
  });

  it('does not lose sight of a repeated event', () => {
    const watch = new CompletionWatch(() => undefined);
    watch.created('a', 1);
    watch.push(completed('a'));
    watch.push(completed('a'));
    expect(watch.unexplained).toBe(1);
  });

  it('passes over other events', () => {
    const watch = new CompletionWatch(() => expect.fail('told'));
    watch.created('a', 1);
    watch.push({ event: 'task.assigned', topic: 'task.a', data: { id: 'a' }, rev: 1 });
    expect(watch.unexplained).toBe(0);
  });
});
