/** Params of the methods of notifications. Source of protocol/vectors/params.json. */
import type { NotificationParams } from '../../../protocol/wire/notifications.ts';
import { bad, good, large, reduced, type ParamsVector } from './params-forms.ts';

const said = { type: 'deploy', message: 'the line is closed' };
const everything = { priority: 'critical', data: { until: 5 }, ttlMs: 0 };

const refused = (base: object): readonly ParamsVector[] => [
  bad('an unknown priority', { ...base, ...said, priority: 'urgent' }, 'priority'),
  bad('a time of more than a week', { ...base, ...said, ttlMs: 604_800_001 }, 'ttlMs'),
  bad('a time of less than nothing', { ...base, ...said, ttlMs: -1 }, 'ttlMs'),
  bad('an empty type', { ...base, ...said, type: '' }, 'type'),
  bad('no message', { ...base, type: 'deploy' }, 'message'),
  bad('a message too long', { ...base, type: 'deploy', message: { $repeat: ['x', 4_097] } }, 'message'),
  large('data above 64 KiB', { ...base, ...said, data: { $repeat: ['x', 65_534] } }, 'data'),
];

const agentIds = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `agt_${i}`);

export const NOTIFICATION_PARAMS: { readonly [M in keyof NotificationParams]: readonly ParamsVector[] } = {
  'notification.send': [
    good('the least', { agentId: 'agt_1', ...said }),
    good('everything', { agentId: 'agt_1', ...said, ...everything }),
    good('a message of several lines', { agentId: 'agt_1', type: 'deploy', message: 'one\ntwo' }),
    reduced('keys that nobody knows', { agentId: 'agt_1', ...said, tenant: 'x' }, { agentId: 'agt_1', ...said }),
    bad('nobody', said, 'agentId'),
    ...refused({ agentId: 'agt_1' }),
  ],
  'notification.broadcast': [
    good('to everyone', { audience: { all: true }, ...said }),
    good('to agents', { audience: { agentIds: ['agt_1', 'agt_2'] }, ...said }),
    good('to 100 agents', { audience: { agentIds: agentIds(100) }, ...said }),
    good('to a capability', { audience: { capability: 'resize' }, ...said, ...everything }),
    good('to a workspace', { audience: { workspaceId: 'wsp_1' }, ...said }),
    bad('no audience', said, 'audience'),
    bad('an empty audience', { audience: {}, ...said }, 'audience'),
    bad('two audiences', { audience: { all: true, capability: 'resize' }, ...said }, 'audience'),
    bad('not to all', { audience: { all: false }, ...said }, 'audience'),
    bad('to no agent', { audience: { agentIds: [] }, ...said }, 'audience.agentIds'),
    bad('to an agent twice', { audience: { agentIds: ['a', 'a'] }, ...said }, 'audience.agentIds'),
    bad('to 101 agents', { audience: { agentIds: agentIds(101) }, ...said }, 'audience'),
    bad('to a capability without a name', { audience: { capability: '' }, ...said }, 'audience.capability'),
    ...refused({ audience: { all: true } }),
  ],
};
