/** What is wrong with a run, by kind. */

export const VIOLATIONS = [
  'lost',
  'doubled',
  'accepted twice',
  'held twice',
  'stuck',
  'away',
  'late',
  'other',
] as const;
export type Violation = (typeof VIOLATIONS)[number];

export class Verdict {
  readonly #found: { readonly kind: Violation; readonly what: string }[] = [];

  add(kind: Violation, what: string): void {
    this.#found.push({ kind, what });
  }

  get violations(): readonly string[] {
    return this.#found.map(({ kind, what }) => `${kind}: ${what}`);
  }

  count(kind: Violation): number {
    return this.#found.filter((found) => found.kind === kind).length;
  }
}
