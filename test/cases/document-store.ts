/** A document with optimistic versions, as a recorded session writes to it: what a server must give, and the same in memory. */

export type Updated =
  | { readonly kind: 'updated'; readonly version: number }
  /** The version that was named is not the current one. */
  | { readonly kind: 'stale'; readonly version: number; readonly content: string };

export interface DocumentStore {
  /** What it begins with; the version of that. */
  create(content: string): Promise<number>;
  /** Replaces the content of `version`. */
  update(content: string, version: number): Promise<Updated>;
  read(): Promise<{ readonly version: number; readonly content: string }>;
}

export class MemoryStore implements DocumentStore {
  #content = '';
  #version = 0;

  async create(content: string): Promise<number> {
    this.#content = content;
    this.#version += 1;
    return this.#version;
  }

  async update(content: string, version: number): Promise<Updated> {
    if (version !== this.#version) return { kind: 'stale', version: this.#version, content: this.#content };
    this.#content = content;
    this.#version += 1;
    return { kind: 'updated', version: this.#version };
  }

  async read(): Promise<{ version: number; content: string }> {
    return { version: this.#version, content: this.#content };
  }
}
