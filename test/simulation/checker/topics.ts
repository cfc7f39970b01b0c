/** What a subscription means, from section 12 of the protocol (C1). */
export function means(subscribed: string, topic: string): boolean {
  if (subscribed === topic) return true;
  const wanted = subscribed.split('.');
  const tokens = topic.split('.');
  const open = wanted.at(-1) === '>';
  const fixed = open ? wanted.slice(0, -1) : wanted;
  if (open ? tokens.length <= fixed.length : tokens.length !== fixed.length) return false;
  return fixed.every((token, i) => token === '*' || token === tokens[i]);
}
