/** A plan as a text that is read by people: a line for each client and each action. It is JSON. */
import type { AnyPlan } from './courses.ts';

export function scriptOf(plan: AnyPlan): string {
  const { clients, actions, ...rest } = plan;
  const line = (value: unknown): string => JSON.stringify(value);
  const list = (name: string, items: readonly unknown[]): string => {
    return items.length === 0
      ? `${line(name)}: []`
      : `${line(name)}: [\n${items.map((item) => `  ${line(item)}`).join(',\n')}\n ]`;
  };
  return `{ ${line('plan')}: ${line(rest)},\n ${list('clients', clients)},\n ${list('actions', actions)} }\n`;
}

export function readScript(text: string): AnyPlan {
  const read = JSON.parse(text) as AnyPlan & { readonly plan?: Omit<AnyPlan, 'clients' | 'actions'> };
  const { plan, ...rest } = read;
  return { ...plan, ...rest };
}

export function linesOf(plan: AnyPlan): number {
  return scriptOf(plan).trimEnd().split('\n').length;
}
