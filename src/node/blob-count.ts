/**
 * How many blobs and uploads there are, over all tenants of the node, and what was sent of them: for the metrics.
 *
 * BC1 Blobs are counted where they are kept, one tenant after the other. Whoever asks is told what the last count found, and begins the next.
 * BC2 Tenants that are not served are left out: what keeps their texts may be closing.
 */
import type { BlobUsage } from '../store/blobs/port.ts';
import type { BlobFigures } from '../telemetry/port.ts';
import type { Texts } from './texts.ts';

interface Served {
  readonly id: string;
  readonly tenant: { readonly serving: boolean };
}

export class BlobCount {
  readonly #texts: Texts;
  readonly #servings: () => readonly Served[];
  #kept: BlobUsage = { count: 0, bytes: 0 };
  #counting = false;

  constructor(parts: { readonly texts: Texts; readonly servings: () => readonly Served[] }) {
    this.#texts = parts.texts;
    this.#servings = parts.servings;
  }

  /** BC1 */
  figures(): BlobFigures {
    if (!this.#counting) {
      this.#counting = true;
      this.#count([...this.#servings()], { count: 0, bytes: 0 });
    }
    const uploads = this.#texts.given.uploads?.usage() ?? { count: 0, bytes: 0 };
    return { kept: this.#kept, uploads, ...this.#texts.counts };
  }

  #count(rest: readonly Served[], sum: BlobUsage): void {
    const at = rest.findIndex(({ tenant }) => tenant.serving); // BC2
    const served = rest[at];
    if (served === undefined) {
      this.#kept = sum;
      this.#counting = false;
      return;
    }
    this.#texts.given.blobs.usage(served.id, ({ count, bytes }) =>
      this.#count(rest.slice(at + 1), { count: sum.count + count, bytes: sum.bytes + bytes }),
    );
  }
}
