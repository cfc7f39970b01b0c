/** What a command takes when sessions take turns (tenant.ts, R7), and what an append takes. */
import { isMap } from '../../protocol/wire/codec.ts';
import { LIMITS } from '../../protocol/wire/limits.ts';
import type { Command } from '../engine/port.ts';

/** Of those commands that can make many. */
export function tasksMadeBy(command: Command): number {
  if (command.kind !== 'request' || !isMap(command.params)) return 0;
  const { tasks, parts, copies, each } = command.params;
  if (command.method === 'task.createBatch') return Array.isArray(tasks) ? tasks.length : 0;
  if (command.method !== 'task.distribute') return 0;
  if (each !== undefined) return LIMITS.eachMax;
  return Array.isArray(parts) ? parts.length : typeof copies === 'number' ? copies : 0;
}
