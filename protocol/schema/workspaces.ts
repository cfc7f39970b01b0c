/** The schemas of the methods of workspaces. */
import { z } from 'zod';
import { LIMITS } from '../wire/limits.ts';
import {
  PRESENCE_STATUSES,
  WORKSPACE_RESOURCES,
  WORKSPACE_ROLES,
  WORKSPACE_STATUSES,
  WORKSPACE_VISIBILITIES,
  type StateOp,
  type WorkspaceParams,
} from '../wire/workspaces.ts';
import { cursor, distinct, id, int, limit, name, payload, position, REASON, text } from './fields.ts';
import { fits } from './size.ts';

const page = { limit: limit.exactOptional(), cursor: cursor.exactOptional() };
const of = { workspaceId: id };
const feed = z.object({ ...of, since: position.exactOptional(), limit: limit.exactOptional() });
const role = z.enum(WORKSPACE_ROLES);
const amount = int(0, Number.MAX_SAFE_INTEGER);
const delta = int(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);

const quotas = z.object({
  storageBytes: amount.exactOptional(),
  cpuSeconds: amount.exactOptional(),
  members: int(1, LIMITS.workspaceMembersMax).exactOptional(),
  documents: amount.exactOptional(),
  agents: amount.exactOptional(),
  operations: amount.exactOptional(),
});
const wanted = z.object(Object.fromEntries(WORKSPACE_RESOURCES.map((resource) => [resource, amount.exactOptional()])));

const settings = z
  .object({
    visibility: z.enum(WORKSPACE_VISIBILITIES).exactOptional(),
    isPublic: z.boolean().exactOptional(),
    features: distinct(name(LIMITS.nameBytes), LIMITS.workspaceFeaturesMax, (one) => one).exactOptional(),
    quotas: quotas.exactOptional(),
  })
  .refine(({ visibility, isPublic }) => visibility === undefined || isPublic === undefined, {
    error: 'goes without visibility',
    path: ['isPublic'],
  });

const key = name(LIMITS.keyBytes);
const scalar = z.union([z.string(), z.number(), z.boolean()], { error: 'must be a string, a number or a boolean' });
const stateOp: z.ZodType<StateOp> = z.discriminatedUnion('op', [
  z.object({ op: z.literal('set'), key, value: payload }),
  z.object({ op: z.literal('increment'), key, by: delta }),
  z.object({ op: z.literal('add_to_set'), key, value: scalar }),
  z.object({ op: z.literal('remove_from_set'), key, value: scalar }),
]);
const ops = z
  .array(stateOp)
  .min(1)
  .max(LIMITS.stateOpsMax)
  .refine((all) => fits(all, LIMITS.stateOpsBytes), {
    error: REASON.payload(LIMITS.stateOpsBytes),
    params: { code: 'TOO_LARGE' },
  });
const snapshot = z.object({ ...of, snapshotId: id });
const named = z.object({ id });

export const WORKSPACE_SCHEMAS: { readonly [M in keyof WorkspaceParams]: z.ZodType<WorkspaceParams[M]> } = {
  'workspace.create': z.object({
    name: name(LIMITS.nameBytes),
    description: text(LIMITS.workspaceDescriptionBytes).exactOptional(),
    settings: settings.exactOptional(),
  }),
  'workspace.get': named,
  'workspace.list': z.object({
    status: z.enum(WORKSPACE_STATUSES).exactOptional(),
    member: z.boolean().exactOptional(),
    ...page,
  }),
  'workspace.update': z.object({
    id,
    name: name(LIMITS.nameBytes).exactOptional(),
    description: text(LIMITS.workspaceDescriptionBytes).nullable().exactOptional(),
    settings: settings.exactOptional(),
  }),
  'workspace.archive': named,
  'workspace.unarchive': named,
  'workspace.delete': named,
  'member.add': z.object({ ...of, userId: id, role }),
  'member.remove': z.object({ ...of, userId: id }),
  'member.setRole': z.object({ ...of, userId: id, role }),
  'member.list': z.object({ ...of, role: role.exactOptional(), ...page }),
  'usage.update': z
    .object({ ...of, storageBytes: delta.exactOptional(), cpuSeconds: delta.exactOptional() })
    .refine(({ storageBytes, cpuSeconds }) => (storageBytes ?? cpuSeconds) !== undefined, {
      error: 'needs storageBytes or cpuSeconds',
      path: ['storageBytes'],
    }),
  'usage.get': z.object(of),
  'usage.check': z.object({ ...of, wanted: wanted.exactOptional() }),
  'state.get': z.object({
    ...of,
    keys: distinct(key, LIMITS.pageMax, (one) => one).exactOptional(),
    ...page,
  }),
  'state.apply': z.object({ ...of, ops, ifVersion: position.exactOptional() }),
  'state.history': feed,
  'state.snapshot': z.object({ ...of, name: name(LIMITS.nameBytes).exactOptional() }),
  'state.snapshots': z.object(of),
  'state.restore': snapshot,
  'state.deleteSnapshot': snapshot,
  'presence.set': z.object({
    ...of,
    status: z.enum(PRESENCE_STATUSES),
    location: name(LIMITS.locationBytes).exactOptional(),
  }),
  'presence.list': z.object({ ...of, ...page }),
  'activity.list': feed,
};
