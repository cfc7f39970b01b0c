/** Frames as messages; one object for the same frames again, since all who listen to a topic mostly get the same in a turn. */
import { concatFrames } from '../../protocol/wire/codec.ts';

export class Joiner {
  /** What was joined last, and of what. */
  #frames: readonly Uint8Array[] = [];
  #message: Uint8Array = new Uint8Array(0);

  /** `frames` may change afterwards, what is returned does not. */
  join(frames: readonly Uint8Array[]): Uint8Array {
    const only = frames[0];
    if (only !== undefined && frames.length === 1) return only;
    if (!isSame(frames, this.#frames)) {
      this.#frames = [...frames];
      this.#message = concatFrames(frames);
    }
    return this.#message;
  }
}

function isSame(frames: readonly Uint8Array[], others: readonly Uint8Array[]): boolean {
  if (frames.length !== others.length) return false;
  for (let i = 0; i < frames.length; i += 1) if (frames[i] !== others[i]) return false;
  return true;
}
