/** Who may create a task below another one (J30): of 43, 47 and 61 what is said of the token of the parent and of who names it. */
import { latest, type Answer, type Assignment, type TaskRec } from './records.ts';
import { maySpeakFor } from './speaking.ts';
import { text } from './values.ts';
import { isTerminal } from './views.ts';
import type { Family, Step, World } from './world.ts';

export class Births implements Family {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  on({ answer }: Step): void {
    if (answer === undefined || answer.op.method !== 'task.create') return;
    const parentId = text(answer.op.params, 'parentId');
    const parent = answer.op.tenant.tasks.get(parentId ?? '');
    if (parentId === undefined || parent === undefined) return;
    const token = text(answer.op.params, 'parentToken');
    const held = token === undefined ? undefined : answer.op.tenant.tokens.get(token);
    if (!answer.event.ok) this.#refused(answer, parent, held);
    else if (token === undefined) this.#byHolderOrMaker(answer, parent);
    else this.#underToken(answer, parent, held);
  }

  #underToken({ op, index }: Answer, parent: TaskRec, held: Assignment | undefined): void {
    const events = [held?.start.index, held?.end?.mark.index, op.index, index];
    if (held === undefined || held.task !== parent || endOf(held) < op.index) {
      this.#world.report('43', `created below ${parent.id} under a token that is not the current one`, events);
    } else if (!maySpeakFor(op, held.agentId)) {
      this.#world.report('61', `${op.session.id} created under the token of ${held.agentId}`, events);
    }
  }

  #byHolderOrMaker({ op, index }: Answer, parent: TaskRec): void {
    if (op.session.role !== 'agent' || latest(parent).task.createdBy === op.session.principal) return;
    if (parent.assignments.some((held) => endOf(held) >= op.index && maySpeakFor(op, held.agentId))) return;
    const message = `${op.session.id} created below ${parent.id}, which its agent neither holds nor created`;
    this.#world.report('61', message, [op.index, index]);
  }

  #refused({ op, event, index }: Answer, parent: TaskRec, held: Assignment | undefined): void {
    const code = event.ok ? undefined : event.code;
    const born = parent.versions[0]?.mark.index ?? Infinity;
    if (code === 'TASK_NOT_FOUND' && born < op.index && !isTerminal(latest(parent).task.status))
      this.#world.report('47', `${parent.id} was not found to create below it`, [born, op.index, index]);
    const current = held?.task === parent && held.start.index < op.index && held.end === undefined;
    if (code === 'STALE_TOKEN' && current) {
      const message = `the current token of ${parent.id} was refused as stale to create below it`;
      this.#world.report('43', message, [held.start.index, op.index, index]);
    }
  }
}

function endOf(held: Assignment): number {
  return held.end?.mark.index ?? Infinity;
}
