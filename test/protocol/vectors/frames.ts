/** Frames of every op, as PROTOCOL.md describes them. Source of protocol/vectors/frames.json. */
import type { Frame } from '../../../protocol/wire/types.ts';

export interface FrameVector {
  readonly name: string;
  readonly from: 'client' | 'server';
  readonly frame: Frame;
}

const task = {
  id: 'tsk_01',
  type: 'resize',
  status: 'assigned',
  priority: 'high',
  parameters: { url: 'https://example.org/ä.png', width: 640, thumbnail: Uint8Array.of(0, 127, 128, 255) },
  requirements: ['resize'],
  mode: 'assign',
  strategy: 'least_loaded',
  agentId: 'agt_01',
  attempt: 1,
  losses: 0,
  retry: { maxAttempts: 5, initialDelayMs: 1_000, maxDelayMs: 60_000, factor: 2 },
  createdBy: 'key:k1',
  createdAt: 1_767_225_600_000,
  updatedAt: 1_767_225_600_123,
  rev: 1_099_511_628_783,
};

const order = { task, attempt: 1, token: '1099511627777', leaseMs: 15_000 };

export const FRAMES: readonly FrameVector[] = [
  {
    name: 'hello-of-a-client',
    from: 'client',
    frame: {
      op: 1,
      id: 0,
      body: { v: [1, 0, 0], client: { name: 'cli', version: '1.0' }, auth: { token: 'mu_default_k1_secret' } },
    },
  },
  {
    name: 'hello-of-an-agent',
    from: 'client',
    frame: {
      op: 1,
      id: 0,
      body: {
        v: [1, 0, 3],
        client: { name: 'resizer', version: '2.1.0' },
        auth: { token: 'mu_default_k1_secret' },
        agent: {
          name: 'resizer',
          type: 'image',
          capabilities: ['resize', { name: 'gpu', weight: 3 }],
          capacity: 4,
          cost: 250,
          labels: { zone: 'eu-1' },
          metadata: { build: 77, tags: ['a', 'b'] },
          endpoint: 'https://resizer.example.org',
          instance: 'host-1',
          onLost: 'requeue',
          acceptMs: 5_000,
          running: [{ id: 'tsk_01', token: '1099511627777' }],
        },
        subs: ['builds.main'],
        features: [],
      },
    },
  },
  {
    name: 'hello-resume',
    from: 'client',
    frame: {
      op: 1,
      id: 0,
      body: {
        v: [1, 0, 0],
        client: { name: 'cli', version: '1.0' },
        auth: { token: 'mu_default_k1_secret' },
        resume: { session: 'ses_01', secret: '5f2a', rev: 1_099_511_628_776 },
      },
    },
  },
  {
    name: 'notice-slow',
    from: 'server',
    frame: { op: 2, id: 0, body: { kind: 'slow', queuedBytes: 524_288, dropped: 3 } },
  },
  {
    name: 'welcome-fresh',
    from: 'server',
    frame: {
      op: 3,
      id: 0,
      body: {
        v: [1, 0],
        session: 'ses_01',
        secret: '5f2a',
        rev: 1_099_511_628_776,
        resumed: false,
        snapshot: { tasks: [order], locks: [], waits: [], subs: ['builds.main'] },
        agent: { id: 'agt_01' },
        principal: { id: 'key:k1', tenant: 'default', role: 'admin' },
        now: 1_767_225_600_000,
        ping: { intervalMs: 10_000, timeoutMs: 15_000 },
        limits: {
          frameBytes: 262_144,
          messageBytes: 1_048_576,
          framesPerMessage: 64,
          inFlight: 256,
          remembered: 1_024,
          subs: 128,
          resumeWindowMs: 600_000,
          leaseMs: 15_000,
        },
        features: [],
        server: { version: '0.1.0', node: 'n1' },
      },
    },
  },
  { name: 'request', from: 'client', frame: { op: 5, id: 1, body: { m: 'task.get', p: { id: 'tsk_01' } } } },
  {
    name: 'request-without-params',
    from: 'client',
    frame: { op: 5, id: 4_294_967_295, body: { m: 'agent.heartbeat' } },
  },
  {
    name: 'request-without-answer',
    from: 'client',
    frame: { op: 5, id: 0, body: { m: 'task.start', p: { id: 'tsk_01', token: '1' } } },
  },
  {
    name: 'request-with-meta',
    from: 'client',
    frame: {
      op: 5,
      id: 300,
      body: { m: 'task.create', p: { type: 'resize', parameters: null, watch: false } },
      meta: { k: 'order-55', tp: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', dl: 5_000, ack: 299 },
    },
  },
  {
    name: 'request-complete',
    from: 'client',
    frame: {
      op: 5,
      id: 70_000,
      body: {
        m: 'task.complete',
        p: {
          id: 'tsk_01',
          token: '1099511627777',
          output: { ok: true, ratio: 0.25, huge: 9_007_199_254_740_991, low: -9_007_199_254_740_991, none: null },
        },
      },
    },
  },
  { name: 'result', from: 'server', frame: { op: 7, id: 300, body: { rev: 1_099_511_628_783, r: { task } } } },
  {
    name: 'error',
    from: 'server',
    frame: {
      op: 9,
      id: 300,
      body: {
        code: 'INVALID_PARAMS',
        type: 'validation',
        message: 'The parameters do not fit the method; details name every fault.',
        retryable: false,
        details: [{ path: 'timeoutMs', reason: 'must be at least 100' }],
      },
    },
  },
  {
    name: 'error-retry-later',
    from: 'server',
    frame: {
      op: 9,
      id: 301,
      body: {
        code: 'RATE_LIMIT_EXCEEDED',
        type: 'rate_limit',
        message: 'Too many requests.',
        retryable: true,
        retryAfterMs: 100,
      },
    },
  },
  {
    name: 'push-order',
    from: 'server',
    frame: { op: 11, id: 0, body: { rev: 1_099_511_628_784, e: 'task.assigned', d: order } },
  },
  {
    name: 'push-event',
    from: 'server',
    frame: {
      op: 11,
      id: 0,
      body: {
        rev: 1_099_511_628_790,
        e: 'task.completed',
        t: 'task.tsk_01',
        d: { id: 'tsk_01', status: 'completed', attempt: 1, agentId: 'agt_01' },
      },
    },
  },
  {
    name: 'push-latest',
    from: 'server',
    frame: {
      op: 11,
      id: 0,
      body: {
        e: 'task.progress',
        t: 'task.tsk_01',
        d: {
          id: 'tsk_01',
          status: 'in_progress',
          attempt: 1,
          agentId: 'agt_01',
          progress: { percentComplete: 40, status: 'fetched' },
        },
      },
    },
  },
  {
    name: 'push-message',
    from: 'server',
    frame: {
      op: 11,
      id: 0,
      body: { rev: 1_099_511_628_791, e: 'message', t: 'builds.main', d: { data: { n: 1 }, from: 'key:k1' } },
    },
  },
  {
    name: 'goaway',
    from: 'server',
    frame: { op: 13, id: 0, body: { reason: 'shutdown', action: 'resume', delayMs: [0, 4_000] } },
  },
  {
    name: 'ping-of-the-server',
    from: 'server',
    frame: { op: 15, id: 0, body: { now: 1_767_225_600_000, rev: 1_099_511_628_791 } },
  },
  { name: 'ping-of-a-client', from: 'client', frame: { op: 15, id: 0, body: {} } },
  { name: 'pong-of-a-client', from: 'client', frame: { op: 17, id: 0, body: { rev: 1_099_511_628_791 } } },
  { name: 'pong-of-the-server', from: 'server', frame: { op: 17, id: 0, body: { now: 1_767_225_600_000 } } },
  { name: 'reauth', from: 'client', frame: { op: 19, id: 0, body: { token: 'mu_default_k1_secret' } } },
  { name: 'bye', from: 'client', frame: { op: 21, id: 0, body: { requeue: true } } },
];
