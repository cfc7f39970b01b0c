/**
 * Selectors: what a task asks of the labels of an agent. One string each; a task's selectors must all hold.
 *
 *     gpu            the label is there                zone=eu        zone!=eu (also where there is no such label)
 *     !spot          the label is not there            zone in (eu, us)     zone notin (eu, us)
 *     mem>=32        both are numbers, and it holds; also > <= <
 *
 *     @agent=worker-1  the agent of this name        @id=agt_…  the agent with this id
 *
 * Keys are made of letters, digits and `_ . / -`; values end at the end of the text, or at a comma or parenthesis in a list.
 */

export type Selector =
  | { readonly key: string; readonly op: 'exists' | 'absent' }
  | { readonly key: string; readonly op: 'in' | 'notin'; readonly values: readonly string[] }
  | { readonly key: string; readonly op: '>' | '>=' | '<' | '<='; readonly than: number };

const SHAPE = /^(!?)\s*([A-Za-z0-9_./-]+)\s*(?:(=|!=|>=|<=|>|<)\s*(.*)|\s(in|notin)\s*\(([^()]*)\))?$/;

/** Undefined: not a selector. */
export function parseSelector(text: string): Selector | undefined {
  if (/\p{Cc}/u.test(text)) return undefined;
  if (text.startsWith('@')) return parseOwn(text);
  const found = SHAPE.exec(text.trim());
  if (found === null) return undefined;
  const [, not, key = '', sign, value = '', set, list = ''] = found;
  if (set !== undefined) {
    const values = list.split(',').map((one) => one.trim());
    if (not === '!' || values.includes('')) return undefined;
    return { key, op: set === 'in' ? 'in' : 'notin', values };
  }
  switch (sign) {
    case undefined:
      return { key, op: not === '!' ? 'absent' : 'exists' };
    case '=':
    case '!=':
      return not === '!' ? undefined : { key, op: sign === '=' ? 'in' : 'notin', values: [value] };
    case '>':
    case '>=':
    case '<':
    case '<=': {
      const than = Number(value);
      return not === '!' || value.trim() === '' || !Number.isFinite(than) ? undefined : { key, op: sign, than };
    }
    default:
      return undefined;
  }
}

/** Names may have any characters: what stands behind the sign is taken as it is. */
function parseOwn(text: string): Selector | undefined {
  for (const key of Object.values(OWN)) {
    for (const [sign, op] of [
      ['=', 'in'],
      ['!=', 'notin'],
    ] as const) {
      if (!text.startsWith(key + sign)) continue;
      const value = text.slice(key.length + sign.length);
      return value === '' ? undefined : { key, op, values: [value] };
    }
  }
  return undefined;
}

/** What a selector compares of an agent beside its labels. */
const OWN = { name: '@agent', id: '@id' } as const;

/** Names the agent itself. */
export const bySelf = {
  name: (name: string): string => `${OWN.name}=${name}`,
  id: (id: string): string => `${OWN.id}=${id}`,
} as const;

/** The one agent id that a selector admits, if it does. */
export function idOf(selector: Selector): string | undefined {
  return selector.key === OWN.id && selector.op === 'in' && selector.values.length === 1
    ? selector.values[0]
    : undefined;
}

export function selectsAgent(
  selector: Selector,
  agent: { readonly name: string; readonly id: string; readonly labels?: Labels | undefined },
): boolean {
  if (selector.key === OWN.name) return selects(selector, { [OWN.name]: agent.name });
  if (selector.key === OWN.id) return selects(selector, { [OWN.id]: agent.id });
  return selects(selector, agent.labels ?? NO_LABELS);
}

const NO_LABELS: Labels = {};

type Labels = { readonly [key: string]: string };

export function selects(selector: Selector, labels: Labels): boolean {
  const value = Object.hasOwn(labels, selector.key) ? labels[selector.key] : undefined;
  switch (selector.op) {
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
    case 'in':
      return value !== undefined && selector.values.includes(value);
    case 'notin':
      return value === undefined || !selector.values.includes(value);
    case '>':
    case '>=':
    case '<':
    case '<=':
      return value !== undefined && value.trim() !== '' && compares(Number(value), selector.op, selector.than);
  }
}

function compares(value: number, op: '>' | '>=' | '<' | '<=', than: number): boolean {
  if (!Number.isFinite(value)) return false;
  switch (op) {
    case '>':
      return value > than;
    case '>=':
      return value >= than;
    case '<':
      return value < than;
    case '<=':
      return value <= than;
  }
}
