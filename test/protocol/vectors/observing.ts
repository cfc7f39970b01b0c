/** Params of the methods that show how work goes, valid and faulty; params.ts has those of the others. */
import type { ObservingParams } from '../../../protocol/wire/observing.ts';
import type { Json } from './json-form.ts';
import type { ParamsVector } from './params.ts';

const good = (name: string, params: Json): ParamsVector => ({ name, params });
const bad = (name: string, params: Json, ...paths: readonly string[]): ParamsVector => ({
  name,
  params,
  code: 'INVALID_PARAMS',
  paths,
});

const pages: readonly ParamsVector[] = [
  good('nothing', {}),
  good('a page', { limit: 1, cursor: 'ended:7:3' }),
  bad('limit 0', { limit: 0 }, 'limit'),
  bad('a cursor that is a number', { cursor: 7 }, 'cursor'),
];

const queries: readonly ParamsVector[] = [
  ...pages,
  good('everything', {
    status: 'failed',
    type: 'resize',
    agentId: 'agt_01',
    workspaceId: 'wsp_01',
    labels: { zone: 'eu' },
    errorCode: 'TIMEOUT',
    text: 'disk',
    dead: true,
    createdFrom: 1_700_000_000_000,
    createdTo: 1_800_000_000_000,
    finishedFrom: 1_700_000_000_000,
    finishedTo: 1_800_000_000_000,
  }),
  bad('an unknown status', { status: 'done' }, 'status'),
  bad('labels that are numbers', { labels: { zone: 1 } }, 'labels.zone'),
  bad('no text', { text: '' }, 'text'),
  bad('a text too long', { text: { $repeat: ['x', 257] } }, 'text'),
  bad('an instant that is a fraction', { createdFrom: 1.5 }, 'createdFrom'),
  bad('an instant that is a text', { finishedTo: '2026-01-01' }, 'finishedTo'),
];

export const OBSERVING: { readonly [M in keyof ObservingParams]: readonly ParamsVector[] } = {
  'agent.inbox': [
    ...pages,
    good('another', { id: 'agt_01' }),
    bad('an empty id', { id: '' }, 'id'),
    bad('limit above the most', { limit: 201 }, 'limit'),
  ],
  'task.timeline': [
    good('the first page', { id: 'tsk_01' }),
    good('a long page', { id: 'tsk_01', limit: 500, cursor: '1099511627777' }),
    bad('nothing', {}, 'id'),
    bad('limit above the most', { id: 'tsk_01', limit: 501 }, 'limit'),
  ],
  'task.search': [...queries, bad('limit above the most', { limit: 201 }, 'limit')],
  'task.report': [
    ...queries,
    good('CSV', { format: 'csv', limit: 1_000 }),
    bad('another format', { format: 'xlsx' }, 'format'),
    bad('limit above the most', { limit: 1_001 }, 'limit'),
  ],
  'task.stats': [
    ...pages,
    good('by agent, of a day', { by: 'agent', windowMs: 86_400_000 }),
    good('one type', { type: 'resize' }),
    good('one agent', { agentId: 'agt_01', windowMs: 60_000 }),
    bad('by something else', { by: 'tenant' }, 'by'),
    bad('a window too short', { windowMs: 59_999 }, 'windowMs'),
    bad('a window too long', { windowMs: 2_678_400_001 }, 'windowMs'),
    bad('a type and an agent', { type: 'resize', agentId: 'agt_01' }, 'agentId'),
  ],
  'tenant.check': [good('nothing', {}), good('more', { limit: 200 }), bad('limit 0', { limit: 0 }, 'limit')],
  'tenant.mend': [good('nothing', {}), bad('no map', 1, '')],
  'task.backlog': [
    good('all', {}),
    good('one type', { type: 'resize' }),
    good('the first three', { limit: 3 }),
    bad('an empty type', { type: '' }, 'type'),
    bad('limit 0', { limit: 0 }, 'limit'),
  ],
};
