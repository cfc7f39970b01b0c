/**
 * Topics and patterns of topics. A pattern is a topic in which tokens may be `*`, which stands for exactly one token, and
 * the last one may be `>`, which stands for one or more. Both have passed the schema.
 */

const STAR = '*';
const TAIL = '>';

export function isPattern(topic: string): boolean {
  return topic.includes(STAR) || topic.endsWith(TAIL);
}

/** Whether a pattern, or a topic that is named exactly, means this topic. */
export function meansTopic(pattern: string, topic: string): boolean {
  if (!isPattern(pattern)) return pattern === topic;
  const wanted = pattern.split('.');
  const tokens = topic.split('.');
  const tail = wanted.at(-1) === TAIL;
  if (tail ? tokens.length < wanted.length : tokens.length !== wanted.length) return false;
  return wanted.every((token, at) => token === STAR || token === tokens[at] || (tail && at === wanted.length - 1));
}

/** Where a pattern has its wildcards: `-` for each token that is named. */
export function shapeOf(pattern: string): string {
  return pattern
    .split('.')
    .map((token) => (token === STAR || token === TAIL ? token : '-'))
    .join('');
}

/** The one pattern of a shape that means the topic of these tokens; undefined: none does. */
export function patternFor(shape: string, tokens: readonly string[]): string | undefined {
  const { length } = shape;
  const tail = shape.endsWith(TAIL);
  if (tail ? tokens.length < length : tokens.length !== length) return undefined;
  let pattern = '';
  for (let at = 0; at < length; at += 1) {
    const wild = shape[at];
    if (at > 0) pattern += '.';
    pattern += wild === '-' ? (tokens[at] ?? '') : wild;
  }
  return pattern;
}
