/** Which uploads there are and how far they have come (UP1, UP4 of port.ts), whatever keeps their bytes. */
import { LIMITS } from '../../../protocol/wire/limits.ts';
import type { UploadOf, UploadRefusal, UploadUsage } from './port.ts';

export interface Upload {
  readonly tenant: string;
  readonly owner: string;
  /** Of the whole. */
  readonly bytes: number;
  received: number;
  /** When the last piece came, wall ms. */
  at: number;
}

export class Ledger {
  readonly #uploads = new Map<string, Upload>();

  /** UP4. The one of this name, made if it may be. */
  of(name: string, of: Pick<UploadOf, 'tenant' | 'owner' | 'bytes'>, now: number): Upload | UploadRefusal {
    const known = this.#uploads.get(name);
    if (known !== undefined) return known;
    const { tenant, owner, bytes } = of;
    const others = [...this.#uploads.values()].filter((upload) => upload.tenant === tenant);
    const own = others.filter((upload) => upload.owner === owner);
    const isMany = others.length >= LIMITS.uploadsMax || own.length >= LIMITS.uploadsOfPrincipalMax;
    if (isMany) return { kind: 'many' };
    return this.put(name, { tenant, owner, bytes, received: 0, at: now });
  }

  put(name: string, upload: Upload): Upload {
    this.#uploads.set(name, upload);
    return upload;
  }

  delete(name: string): void {
    this.#uploads.delete(name);
  }

  leftAlone(now: number): readonly (readonly [string, Upload])[] {
    return [...this.#uploads].filter(([, { at }]) => at <= now - LIMITS.uploadMs);
  }

  usage(): UploadUsage {
    let bytes = 0;
    for (const { received } of this.#uploads.values()) bytes += received;
    return { count: this.#uploads.size, bytes };
  }
}
