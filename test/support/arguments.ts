/**
 * What the programs among the tests are told on their command lines. A word that makes no sense ends the program before it has begun:
 * a run of nothing at all would else look like one in which every promise was kept.
 */

/** The command line makes no sense; the message says why. */
export class ArgumentError extends Error {}

/** A whole number from `least` up. */
export function wholeArgument(name: string, text: string, least: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number) && number >= least) return number;
  throw new ArgumentError(`--${name} takes a whole number from ${least} up, not "${text}".`);
}

/** The seed that is named, or one drawn at random. */
export function seedArgument(text: string | undefined): number {
  return text === undefined ? Math.floor(Math.random() * 2 ** 31) : wholeArgument('seed', text, 0);
}

/** The one that is named, or all of them. */
export function choiceArgument<T extends string>(
  name: string,
  text: string | undefined,
  of: readonly T[],
): readonly T[] {
  const chosen = of.filter((one) => text === undefined || one === text);
  if (chosen.length > 0) return chosen;
  throw new ArgumentError(`--${name} is one of ${of.join(', ')}, not "${text}".`);
}

/** Whether the fault is one of the command line: then its message is all that there is to say. */
export function isArgumentFault(fault: unknown): fault is Error {
  if (fault instanceof ArgumentError) return true;
  return fault instanceof Error && 'code' in fault && String(fault.code).startsWith('ERR_PARSE_ARGS');
}
