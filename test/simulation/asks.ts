/** Carries out what a plan lets clients ask. */
import { PRIORITIES } from '../../protocol/wire/types.ts';
import type { SimClient, Surroundings } from './client.ts';
import type { Action, Ask } from './plan.ts';
import type { Recorder } from './recorder.ts';
import { askDocuments } from './document-asks.ts';
import { askLocks } from './lock-asks.ts';
import { notify } from './notice-asks.ts';
import { repeat } from './repeater.ts';
import { askSched } from './sched-asks.ts';
import type { Book } from './server-view.ts';
import { paramsOf } from './task-params.ts';
import { askTrees } from './tree-asks.ts';
import { askWorkspaces } from './workspace-asks.ts';

const RETRIED_MS = 20_000;

export interface Asked {
  readonly client: SimClient;
  readonly around: Surroundings;
  readonly book: Book;
  readonly recorder: Recorder;
}

export type AskAction = Extract<Action, Ask>;

export function carryOut(ask: Ask, asked: Asked): void {
  const { client, book } = asked;
  switch (ask.do) {
    case 'create':
      return create(ask, asked);
    case 'batch':
      return client.ask('task.createBatch', { tasks: ask.tasks.map(paramsOf) }, within(ask.deadlineMs));
    case 'list':
      return client.ask('task.list', { limit: ask.limit, ...(ask.status === undefined ? {} : { status: ask.status }) });
    case 'dead':
      return client.ask('deadLetter.list', {});
    case 'agents':
      return client.ask('agent.list', {});
    case 'snapshot':
      return client.ask('session.snapshot', {});
    case 'publish': {
      const { topic, mark, kind, bytes } = ask;
      const data = bytes === 0 ? { mark } : { mark, pad: 'x'.repeat(bytes) };
      return client.ask('topic.publish', { topic, data, kind, ...(kind === 'latest' ? { key: mark.slice(-1) } : {}) });
    }
    case 'subscribe':
      return client.subscribe(ask.topic, ask.since === true);
    case 'unsubscribe':
      return client.unsubscribe(ask.topic);
    case 'reshape':
      return client.reshape(ask.capacity);
    case 'declare':
      return client.ask('agent.status', { status: ask.status });
    case 'drain':
      return client.ask('agent.drain', ask.deadlineMs === undefined ? {} : { deadlineMs: ask.deadlineMs });
    case 'relearn':
      return client.ask('agent.update', { capabilities: ask.capabilities });
    case 'relabel':
      return client.ask('agent.update', {
        ...(ask.labels === undefined ? {} : { labels: ask.labels }),
        ...(ask.cost === undefined ? {} : { cost: ask.cost }),
      });
    case 'prefer': {
      const scope = ask.type === undefined ? { scope: 'tenant' } : { scope: 'type', name: ask.type };
      return client.ask('strategy.set', { ...scope, strategy: ask.strategy });
    }
    case 'rule': {
      const { do: _, at: __, client: ___, change, ...rule } = { at: 0, client: '', ...ask };
      return client.ask(change ? 'rule.update' : 'rule.add', rule);
    }
    case 'unrule':
      return client.ask('rule.remove', { name: ask.name });
    case 'workload':
      return client.ask('agent.workload', {});
    case 'repeat':
      return repeat(asked.around, client, ask.requests);
    case 'schedule':
    case 'tendSchedule':
    case 'letter':
    case 'letters':
      return askSched(ask, asked);
    case 'subtask':
    case 'cancelAlone':
    case 'handFalsely':
    case 'distribute':
      return askTrees(ask, asked);
    case 'lock':
    case 'force':
    case 'steal':
    case 'look':
      return askLocks(ask, asked);
    case 'workspace':
      return askWorkspaces(ask, asked);
    case 'document':
      return askDocuments(ask, asked);
    case 'notify':
      return notify(ask, asked);
    case 'deregister':
      return client.ask('agent.deregister', {});
    case 'control': {
      const id = book.byMark.get(ask.mark);
      if (id !== undefined) control(ask, id, asked);
      return undefined;
    }
    case 'cancel':
    case 'get':
    case 'retry':
    case 'wait':
    case 'explain':
    case 'meddle': {
      const id = book.byMark.get(ask.mark);
      if (id !== undefined) about(ask, id, asked);
      return undefined;
    }
  }
}

function create(ask: Extract<Ask, { readonly do: 'create' }>, { client }: Asked): void {
  const params = paramsOf(ask.task);
  if (ask.durably === true && ask.key === undefined) return client.askDurably('task.create', params);
  client.ask('task.create', params, {
    ...(ask.key === undefined ? {} : { key: ask.key }),
    ...within(ask.deadlineMs),
  });
}

function within(deadlineMs: number | undefined): { readonly deadlineMs?: number } {
  return deadlineMs === undefined ? {} : { deadlineMs };
}

function control(ask: Extract<Ask, { readonly do: 'control' }>, id: string, { client, book }: Asked): void {
  const { how, n = 0, acknowledgeMs } = ask;
  const within = acknowledgeMs === undefined ? {} : { acknowledgeMs };
  switch (how) {
    case 'pause':
    case 'resume':
      return client.ask(`task.${how}`, { id, ...within });
    case 'steer':
      return client.ask('task.steer', { id, message: { n }, ...within });
    case 'reprioritise':
      return client.ask('task.reprioritise', { id, priority: PRIORITIES[n % PRIORITIES.length] });
    case 'extend':
      return client.ask('task.extend', { id, timeoutMs: n, deadlineMs: null });
    case 'read':
      return client.ask('task.readOutput', { id, offset: n });
    case 'answer': {
      const askId = book.tracker?.engine.state.tasks.get(id)?.control?.asks?.[0]?.askId;
      if (askId !== undefined) client.ask('task.answer', { id, askId, answer: n });
    }
  }
}

/** A request about a task that exists. */
function about(
  ask: Extract<Ask, { readonly do: 'cancel' | 'get' | 'retry' | 'wait' | 'explain' | 'meddle' }>,
  id: string,
  asked: Asked,
): void {
  const { client, book, recorder } = asked;
  switch (ask.do) {
    case 'cancel':
      return client.ask(
        'task.cancel',
        { id, reason: 'planned' },
        {
          done: (reply) => {
            if (!reply.ok && reply.error.code === 'INVALID_TRANSITION')
              recorder.marks.count('cancel crossed the end of its task');
          },
        },
      );
    case 'get':
      return client.ask(
        'task.get',
        { id },
        {
          done: (reply) => {
            if (reply.ok && book.tracker?.engine.state.tasks.get(id) === undefined)
              recorder.marks.count('task read from the archive');
          },
        },
      );
    case 'retry':
      // As long as its key has no room it is refused, and asked again.
      return client.ask('task.retry', { id }, { deadlineMs: RETRIED_MS });
    case 'explain':
      return client.ask('task.explain', { id });
    case 'wait':
      return client.wait(id);
    case 'meddle':
      return meddle(ask, id, asked);
  }
}

function meddle(ask: Extract<Ask, { readonly do: 'meddle' }>, id: string, { client, book }: Asked): void {
  const tokens = book.tokens.get(id) ?? [];
  const token = ask.token === 'invented' ? '9007199254740990' : tokens.at(ask.token === 'current' ? -1 : -2);
  // The holder's own program is not to be deceived by somebody who has its token and its identity.
  const task = book.tasks.get(id);
  const mayHold =
    client.plan.role === 'admin' || book.agents.get(task?.agentId ?? '')?.name === client.plan.agent?.name;
  if (token === undefined || (ask.token === 'current' && mayHold)) return;
  const params = {
    'task.accept': {},
    'task.start': {},
    'task.progress': { percentComplete: 99 },
    'task.complete': { output: { by: 'nobody' } },
    'task.fail': { error: { code: 'MEDDLED', message: 'not by the holder' } },
    'task.release': {},
  }[ask.method];
  client.ask(ask.method, { id, token, ...params }, { key: false });
}
