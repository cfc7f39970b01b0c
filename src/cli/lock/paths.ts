/** Paths of locks on the command line. */
import { LOCK_MODES, type LockMode } from '../../../protocol/wire/locks.ts';
import { oneOf } from '../values.ts';

const modeOf = oneOf(...LOCK_MODES);

/** `PATH`, or `PATH=MODE`. */
export function lockPaths(texts: readonly string[]): readonly { readonly path: string; readonly mode?: LockMode }[] {
  return texts.map((text) => {
    const [path = '', word] = text.split('=');
    return word === undefined ? { path } : { path, mode: modeOf(word) };
  });
}
