/** Shapes of the background jobs of a server. */

export interface JobView {
  readonly name: string;
  readonly everyMs?: number;
  /** One run serves all nodes; else it is about the files of the node that answers. */
  readonly shared: boolean;
  /** In the process that answers. */
  readonly state: 'idle' | 'due' | 'running';
  /** Of that process since its start. */
  readonly runs: { readonly ok: number; readonly failed: number };
  readonly last?: { readonly at: number; readonly ms: number; readonly ok: boolean };
  /** The newest, newest first: of a shared job by whichever node, else of the process that answers. */
  readonly failures: readonly { readonly at: number; readonly message: string }[];
  /** Jobs in Redis by state, as last seen. */
  readonly queue?: {
    readonly waiting: number;
    readonly delayed: number;
    readonly active: number;
    readonly failed: number;
  };
}

export interface JobsView {
  readonly scheduler: 'embedded' | 'bullmq';
  /** The Redis of the jobs takes and gives them; of jobs in the process always. */
  readonly connected: boolean;
  readonly jobs: readonly JobView[];
}

/** Params by method. */
export interface JobParams {
  'job.list': object;
}

/** Results by method. */
export interface JobResults {
  'job.list': JobsView;
}
