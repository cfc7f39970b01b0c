/**
 * 77: while the disk is nearly full no new work is taken; ends of work are. A request that was first sent since the disk has no
 * room, and was answered before it had some again, was handled in between.
 */
import { OPERATIONS, isMethod } from '../../../protocol/wire/operations.ts';
import type { Answer } from './records.ts';
import type { Family, Step, World } from './world.ts';

/** A time in which the disk had no room: since an event, until a time. */
interface Full {
  readonly index: number;
  readonly until: number;
}

export class Room implements Family {
  readonly #world: World;
  #full: readonly Full[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  on({ event, index, answer }: Step): void {
    if (event.kind === 'fault' && event.noRoomUntil !== undefined) {
      this.#full = [...this.#full, { index, until: event.noRoomUntil }];
    }
    if (this.#full.length === 0) return;
    this.#full = event.kind === 'heal' ? [] : this.#full.filter(({ until }) => until > event.at);
    if (answer?.event.ok === true && isNewWork(answer.op.method)) this.#taken(answer);
  }

  #taken({ op, group, index }: Answer): void {
    const sent = group.ops.map((one) => one.index);
    const full = this.#full.find((one) => sent.every((at) => at > one.index));
    if (full === undefined) return;
    const what = `${op.method} ${group.session.id}#${group.reqId} was taken while the disk was nearly full`;
    this.#world.report('77', what, [full.index, ...sent, index]);
  }
}

/** What is stored of a blob is none of the log, and takes room all the same. */
function isNewWork(method: string): boolean {
  if (!isMethod(method)) return false;
  const { access, ends } = OPERATIONS[method];
  return method === 'blob.put' || (access === 'write' && ends !== true);
}
