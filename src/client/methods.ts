/** `client.entity.verb(params)` for every operation: made from the operation table, typed by params and results. */
import { OPERATIONS } from '../../protocol/wire/operations.ts';
import type { Method, Params, Results } from '../../protocol/wire/types.ts';

export interface RequestOptions {
  /** Idempotency key: calls with one key are one call, for 24 hours and on any session. Drawn when absent. */
  readonly key?: string;
  /** Gives up waiting; whether the request was executed is then not known. */
  readonly signal?: AbortSignal;
  /** Gives up waiting after so long. */
  readonly deadlineMs?: number;
  /** Stored in the outbox file first, so that it reaches the server even if this process ends before. */
  readonly durable?: boolean;
}

type EntityOf<M> = M extends `${infer Entity}.${string}` ? Entity : never;
type VerbOf<M, Entity extends string> = M extends `${Entity}.${infer Verb}` ? Verb : never;

/** Params may be left out where none is required. */
type Call<M extends Method> = object extends Params[M]
  ? (params?: Params[M], options?: RequestOptions) => Promise<Results[M]>
  : (params: Params[M], options?: RequestOptions) => Promise<Results[M]>;

export type Methods = {
  readonly [Entity in EntityOf<Method>]: {
    readonly [Verb in VerbOf<Method, Entity>]: `${Entity}.${Verb}` extends Method ? Call<`${Entity}.${Verb}`> : never;
  };
};

export type Requester = <M extends Method>(
  method: M,
  params: Params[M],
  options?: RequestOptions,
) => Promise<Results[M]>;

export function makeMethods(request: Requester): Methods {
  const entities: Record<string, Record<string, unknown>> = {};
  for (const method of Object.keys(OPERATIONS) as Method[]) {
    const dot = method.indexOf('.');
    const verbs = (entities[method.slice(0, dot)] ??= {});
    verbs[method.slice(dot + 1)] = (params: Params[Method] | undefined, options?: RequestOptions) =>
      request(method, params ?? {}, options);
  }
  // The names come from the same table as the type.
  return entities as unknown as Methods;
}
