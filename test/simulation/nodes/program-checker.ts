/** Judges what programs were told by several nodes: nothing is taken back, nothing is told twice, and what was waited for is told. */
import type { Found, Histories } from './checker.ts';
import type { AppliedEvent, NodesEvent } from './history.ts';

export function judgePrograms(events: readonly NodesEvent[], histories: Histories, lossy: boolean, found: Found): void {
  judgeCreated(events, { ...histories, lossy }, found);
  judgeRefused(events, histories, found);
  judgeAttached(histories, found);
  judgeSpeakers(events, found);
  judgeResumed(events, { ...histories, lossy }, found);
  judgePushes(events, found);
  judgeTold(events, histories, found);
}

/** N1 */
function judgeCreated(events: readonly NodesEvent[], of: Histories & { readonly lossy: boolean }, found: Found): void {
  const made = new Map<string, AppliedEvent>();
  for (const event of of.final.values()) for (const { id } of event.made) made.set(id, event);
  for (const event of events) {
    if (event.kind !== 'created') continue;
    const { id, mark, program, rev } = event;
    const entry = made.get(id);
    if (entry !== undefined) {
      if (rev <= entry.from) found('N1', `task ${id} was told at ${rev}, before it was made, at ${entry.rev}`);
      continue;
    }
    const gone = of.lost.find((one) => one.from < rev && rev <= one.rev);
    if (!of.lossy || (of.final.size > 0 && gone === undefined))
      found('N1', `${program} was told of task ${id} (${mark}), which is not there`);
  }
}

/** N13 */
function judgeRefused(events: readonly NodesEvent[], { final }: Histories, found: Found): void {
  const made = new Set([...final.values()].flatMap((event) => event.made.map(({ mark }) => mark)));
  for (const event of events)
    if (event.kind === 'not created' && made.has(event.mark))
      found('N13', `${event.program} was told ${event.code} of ${event.mark}, which was made`);
}

/** N7 */
function judgeAttached({ final }: Histories, found: Found): void {
  const numbers = new Map<string, number>();
  for (const { attached, seq } of [...final.values()].toSorted((a, b) => a.seq - b.seq)) {
    for (const { session, attach } of attached) {
      if (attach <= (numbers.get(session) ?? 0))
        found('N7', `attachment ${attach} of ${session} came twice, at entry ${seq}`);
      numbers.set(session, attach);
    }
  }
}

/** N16 */
function judgeSpeakers(events: readonly NodesEvent[], found: Found): void {
  /** Of a process and session: the newest attachment that the process has applied, and the position of its entry. */
  const attached = new Map<string, { readonly attach: number; readonly rev: number }>();
  /** Of a connection: which attachment it was when it was welcomed. */
  const speaks = new Map<string, number>();
  for (const event of events) {
    if (event.kind === 'applied' && event.tenant === 'default') {
      const { process, rev } = event;
      for (const { session, attach } of event.attached) attached.set(`${process} ${session}`, { attach, rev });
    }
    if (event.kind !== 'speaks' && event.kind !== 'sent') continue;
    const newest = attached.get(`${event.process} ${event.session}`);
    if (newest === undefined) continue;
    if (event.kind === 'speaks') speaks.set(event.conn, newest.attach);
    else if ((speaks.get(event.conn) ?? newest.attach) < newest.attach && event.rev > newest.rev)
      found('N16', `${event.process} sent ${event.rev} to ${event.session} as it was before ${newest.rev}`);
  }
}

/** N8: whoever was told of what is lost begins anew, and nobody else for that reason. */
function judgeResumed(events: readonly NodesEvent[], of: Histories & { readonly lossy: boolean }, found: Found): void {
  const epochs = new Map<string, number>();
  const positions = new Map<string, number>();
  for (const event of events) {
    if (event.kind === 'applied' && event.tenant === 'default') epochs.set(event.process, event.epoch);
    if (event.kind !== 'push' && event.kind !== 'welcome') continue;
    const { program, process, session, rev } = event;
    const key = `${program} ${session}`;
    const position = positions.get(key) ?? 0;
    positions.set(key, Math.max(position, rev));
    if (event.kind !== 'welcome') continue;
    if (event.reason === 'epoch' && !of.lossy)
      found('N8', `${program} was told by ${process} that the log lost something, and nothing was lost`);
    const lost = event.resumed ? of.lost.find((one) => one.from < position && position <= one.rev) : undefined;
    if (lost !== undefined && lost.epoch < (epochs.get(process) ?? 0))
      found('N8', `${program} was resumed by ${process} at ${position}, which is of an entry ${lost.seq} that is lost`);
  }
}

/** N7 */
function judgePushes(events: readonly NodesEvent[], found: Found): void {
  const positions = new Map<string, number>();
  const known = new Set<string>();
  for (const event of events) {
    if (event.kind !== 'push' && event.kind !== 'welcome') continue;
    const key = `${event.program} ${event.session}`;
    const position = positions.get(key) ?? 0;
    if (event.kind === 'welcome') {
      if (event.resumed && !known.has(key))
        found('N7', `${event.program} resumed session ${event.session}, which it never had`);
      if (event.resumed && event.rev < position)
        found('N7', `${event.program} was resumed at ${event.rev}, before ${position}`);
      known.add(key);
      positions.set(key, Math.max(position, event.rev));
    } else {
      if (event.rev <= position) found('N7', `${event.program} was told ${event.rev} after ${position}: ${event.text}`);
      positions.set(key, event.rev);
    }
  }
}

/** N7: whoever made a task and still has the session in which it did hears how it ended. */
function judgeTold(events: readonly NodesEvent[], { final }: Histories, found: Found): void {
  const ends = new Map<string, string>();
  for (const { ended } of final.values()) for (const { id, status } of ended) ends.set(id, status);
  const session = new Map<string, string>();
  const told = new Map<string, Set<string>>();
  const waits = new Map<string, { readonly program: string; readonly session: string }>();
  for (const event of events) {
    if (event.kind === 'welcome') session.set(event.program, event.session);
    else if (event.kind === 'created')
      waits.set(event.id, { program: event.program, session: session.get(event.program) ?? '' });
    else if (event.kind === 'push') {
      const heard = told.get(event.session) ?? new Set();
      told.set(event.session, heard.add(event.text));
    }
  }
  const latest = new Set(newestPrograms(events));
  if (!events.some((event) => event.kind === 'end' && event.quiet)) return;
  for (const [id, wait] of waits) {
    const status = ends.get(id);
    if (status === undefined || !latest.has(wait.program) || session.get(wait.program) !== wait.session) continue;
    const heard = [...(told.get(wait.session) ?? [])].some(
      (text) => text.includes(`"${id}"`) && text.startsWith(`["task.${status}"`),
    );
    if (!heard) found('N7', `${wait.program} was never told that task ${id} is ${status}`);
  }
}

/** Programs that live at the end: the last of each name. */
function newestPrograms(events: readonly NodesEvent[]): readonly string[] {
  const newest = new Map<string, string>();
  for (const event of events)
    if (event.kind === 'welcome') newest.set(event.program.split('.')[0] ?? '', event.program);
  return [...newest.values()];
}
