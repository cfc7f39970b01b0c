/**
 * Control of running tasks: orders to holders (V), pauses (T), what tasks hand out and ask (U).
 */
import { pieceBytes } from '../../../protocol/wire/control.ts';
import type { EventOf, PushSeen } from './history.ts';
import type { Answer, Change, Conn, Op, TaskRec } from './records.ts';
import { mayHaveRun, wasOk } from './request-book.ts';
import { field, items, num, text } from './values.ts';
import { isHeldView, isTerminal } from './views.ts';
import type { Family, Step, World } from './world.ts';

/** The control by which the push of each order is acknowledged. */
const ORDERS: { readonly [event: string]: string } = {
  'task.paused': 'pause',
  'task.resumed': 'resume',
  'task.steered': 'steer',
  'task.answered': 'answer',
  'task.reprioritised': 'reprioritise',
  'task.extended': 'extend',
};

/** The newest of a kind takes the place of the others, so any may never be told. */
export function isControlOrder(push: { readonly event: string; readonly topic?: string }): boolean {
  return push.topic === undefined && ORDERS[push.event] !== undefined;
}

export class Control implements Family {
  readonly #world: World;
  /** The newest order that each run of a handler heard. */
  readonly #heard = new Map<string, { readonly seq: number; readonly index: number }>();
  /** The newest order of each token on each connection. */
  readonly #pushed = new Map<string, { readonly seq: number; readonly index: number }>();

  constructor(world: World) {
    this.#world = world;
  }

  on({ event, index, conn, answer, applied }: Step): void {
    if (event.kind === 'handler.order') this.#order(event, index);
    if (event.kind === 'welcome' && conn !== undefined) this.#snapshot(conn, event, index);
    if (event.kind === 'push' && conn !== undefined && isControlOrder(event)) this.#told(conn, event, index);
    for (const change of applied?.changes ?? []) this.#change(change);
    if (answer?.event.ok !== true) return;
    if (answer.op.method === 'task.readOutput') this.#read(answer);
    if (answer.op.method === 'task.answer') this.#answered(answer);
  }

  /** V: each once and in order, for whoever works on it. */
  #order({ client, incarnation, taskId, token, seq }: EventOf<'handler.order'>, index: number): void {
    const key = JSON.stringify([client, incarnation, token]);
    const last = this.#heard.get(key);
    if (last !== undefined && seq <= last.seq) {
      this.#world.report('V', `${taskId}: order ${seq} after order ${last.seq} under token ${token}`, [
        last.index,
        index,
      ]);
    }
    this.#heard.set(key, { seq, index });
  }

  /** V: in order on a connection, and not after it was acknowledged. */
  #told(conn: Conn, event: PushSeen, index: number): void {
    const [id = '', token = ''] = [text(event.data, 'id'), text(event.data, 'token')];
    const seq = num(event.data, 'seq') ?? 0;
    const key = `${conn.id} ${token}`;
    const last = this.#pushed.get(key);
    if (last !== undefined && seq <= last.seq) {
      this.#world.report('V', `${id}: order ${seq} was told after order ${last.seq} on ${conn.id}`, [
        last.index,
        index,
      ]);
    }
    this.#pushed.set(key, { seq, index });
    this.#notAgain(conn, { id, token, control: ORDERS[event.event], seq, index });
  }

  #snapshot(conn: Conn, { snapshot }: EventOf<'welcome'>, index: number): void {
    for (const { task, token, controls = [] } of snapshot?.tasks ?? []) {
      for (const { control, seq } of controls) this.#notAgain(conn, { id: task.id, token, control, seq, index });
    }
  }

  /** V: acknowledged before the connection was opened, so that whoever came back on it need not be told. */
  #notAgain(conn: Conn, told: Told & { readonly id: string; readonly index: number }): void {
    const { id, seq, index } = told;
    const begun = conn.hello?.index ?? -1;
    const ack = conn.tenant.tasks.get(id)?.ops.find((op) => acknowledges(op, told, begun));
    if (ack === undefined) return;
    this.#world.report('V', `${id}: order ${seq} was told again after it was acknowledged`, [ack.index, index]);
  }

  #change(change: Change): void {
    const { task, prev, next, ended, started } = change;
    const { index } = next.mark;
    const [was, is] = [prev?.task.status === 'paused', next.task.status === 'paused'];
    if (is !== (next.task.paused !== undefined)) {
      this.#world.report('T', `${task.id} is ${next.task.status}, which its pause does not say`, [index]);
    }
    if (is && !was && !asked(change, 'task.pause')) {
      this.#world.report('T', `${task.id} is paused, and nobody asked for it`, [index]);
    }
    // Its holder is done, which ends a pause too (W5).
    const done = next.task.tree?.waits !== undefined && ended !== undefined && asked(change, 'task.complete');
    const left = was && !is && !isTerminal(next.task.status) && !done;
    if ((left || (was && started !== undefined)) && !asked(change, 'task.resume')) {
      this.#world.report('T', `${task.id} goes on though nobody resumed it`, [prev?.mark.index, index]);
    }
    if (is && started !== undefined && isHeldView(next.task) && !asked(change, 'task.pause')) {
      this.#world.report('T', `${task.id} was given while it was paused`, [index]);
    }
  }

  /** U: what is read is what was taken, whole from the place that was asked for on. */
  #read({ event, op, index }: Answer): void {
    const task = op.tenant.tasks.get(text(op.params, 'id') ?? '');
    if (task === undefined || !event.ok) return;
    const wrong = (message: string, of?: Op): void =>
      this.#world.report('U', `${task.id}: ${message}`, [of?.index, op.index, index]);
    let end = num(op.params, 'offset') ?? 0;
    for (const [n, piece] of items(event.result, 'pieces').entries()) {
      const offset = num(piece, 'offset') ?? -1;
      const data = text(piece, 'data') ?? '';
      const makers = task.ops.filter((one) => one.method === 'task.output' && writes(one, offset, data));
      if (!makers.some(mayHaveRun)) wrong(`nobody wrote ${JSON.stringify(data)} at ${offset}`);
      if (n > 0 && offset !== end && field(event.result, 'gap') !== true) wrong(`a piece at ${offset} after ${end}`);
      end = offset + pieceBytes(data);
    }
    const bytes = num(event.result, 'bytes') ?? 0;
    // A run is shorter than output is kept.
    if (field(event.result, 'gap') === true) wrong('some of the output is gone');
    for (const one of task.ops) {
      if (one.method !== 'task.output' || !wasOk(one)) continue;
      const answered = one.answers.find((answer) => answer.event.ok)?.index ?? Infinity;
      const until = (num(one.params, 'offset') ?? 0) + pieceBytes(text(one.params, 'data') ?? '');
      if (answered < op.index && until > bytes) wrong(`the output has ${bytes} bytes, ${until} were taken before`, one);
    }
  }

  /** U: a question is answered once. */
  #answered({ op, index }: Answer): void {
    const task = op.tenant.tasks.get(text(op.params, 'id') ?? '');
    const askId = text(op.params, 'askId');
    const other = task?.ops.find((one) => {
      return one !== op && one.method === 'task.answer' && text(one.params, 'askId') === askId && wasOk(one);
    });
    if (other === undefined || (op.k !== undefined && op.k === other.k)) return;
    this.#world.report('U', `${task?.id}: the question ${askId} was answered twice`, [other.index, op.index, index]);
  }
}

function writes(op: Op, offset: number, data: string): boolean {
  return num(op.params, 'offset') === offset && text(op.params, 'data') === data;
}

interface Told {
  readonly token: string;
  readonly control: string | undefined;
  readonly seq: number;
}

function acknowledges(op: Op, { token, control, seq }: Told, begun: number): boolean {
  return (
    op.method === 'task.acknowledge' &&
    text(op.params, 'token') === token &&
    text(op.params, 'control') === control &&
    (num(op.params, 'seq') ?? 0) >= seq &&
    op.answers.some(({ event, index }) => event.ok && index < begun)
  );
}

/** Somebody may have asked for it between the two views. */
function asked({ task, prev, next }: Change, method: string): boolean {
  return ops(task, method).some((op) => {
    const before = op.answers.some(({ event }) => event.ok && event.rev <= (prev?.mark.prevRev ?? 0));
    return op.index < next.mark.index && mayHaveRun(op) && !before;
  });
}

function ops(task: TaskRec, method: string): readonly Op[] {
  return task.ops.filter((op) => op.method === method);
}
