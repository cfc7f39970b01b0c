/** A value of a parsed file, asked for members that it may not have. */
export class Part {
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }

  get(...path: readonly (string | number)[]): Part {
    let value = this.value;
    for (const name of path) value = typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
    return new Part(value);
  }

  /** Empty if it is no text and no number. */
  get text(): string {
    return typeof this.value === 'string' || typeof this.value === 'number' ? String(this.value) : '';
  }

  get number(): number | undefined {
    return typeof this.value === 'number' ? this.value : undefined;
  }

  get list(): readonly Part[] {
    return Array.isArray(this.value) ? this.value.map((item) => new Part(item)) : [];
  }

  get entries(): readonly (readonly [string, Part])[] {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) return [];
    return Object.entries(this.value).map(([name, value]) => [name, new Part(value)]);
  }
}
