/**
 * Files of uploads in a data directory, and what their names say (files.ts). For servers, and for the doctor, who looks while none runs.
 *
 * UL1 What cannot be an upload is left alone.
 */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { Upload } from './ledger.ts';

/** Below a data directory. */
export const UPLOADS = 'uploads';
const NAME = /^([a-z0-9-]{1,32})\.([0-9a-f]{64})\.[0-9a-f]{64}\.(\d{1,15})$/;

/** UL1. By the names of their files. */
export function uploadsIn(dir: string): ReadonlyMap<string, Upload> {
  const folder = join(dir, UPLOADS);
  const uploads = new Map<string, Upload>();
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const [, tenant, owner, bytes] = NAME.exec(name) ?? [];
    if (tenant === undefined || owner === undefined) continue;
    const { size, mtimeMs } = statSync(join(folder, name));
    uploads.set(name, { tenant, owner, bytes: Number(bytes), received: size, at: Math.floor(mtimeMs) });
  }
  return uploads;
}

export interface LeftUploads {
  readonly count: number;
  /** That have come. */
  readonly bytes: number;
  /** How long nothing came of the one that was left first. */
  readonly oldestMs: number;
}

/** Those that the next sweep of a server forgets (UP4), by tenant. */
export function leftUploads(dir: string, now: number): ReadonlyMap<string, LeftUploads> {
  const left = new Map<string, LeftUploads>();
  for (const [, { tenant, received, at }] of oldIn(dir, now)) {
    const { count, bytes, oldestMs } = left.get(tenant) ?? { count: 0, bytes: 0, oldestMs: 0 };
    left.set(tenant, { count: count + 1, bytes: bytes + received, oldestMs: Math.max(oldestMs, now - at) });
  }
  return left;
}

/** How many they were. */
export function removeLeftUploads(dir: string, now: number): number {
  const old = oldIn(dir, now);
  for (const [name] of old) rmSync(join(dir, UPLOADS, name), { force: true });
  return old.length;
}

function oldIn(dir: string, now: number): readonly (readonly [string, Upload])[] {
  return [...uploadsIn(dir)].filter(([, { at }]) => at <= now - LIMITS.uploadMs);
}
