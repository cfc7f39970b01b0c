/** The bodies of the frames that are no requests, results or pushes. */
import type { AgentShape, Role, SessionSnapshot, Value } from './types.ts';

export interface HelloBody {
  readonly v: readonly [major: number, minorMin: number, minorMax: number];
  readonly client: { readonly name: string; readonly version: string };
  readonly auth: { readonly token: string };
  readonly agent?: AgentShape;
  readonly subs?: readonly string[];
  readonly resume?: {
    readonly session: string;
    readonly secret: string;
    readonly rev: number;
    /** The largest rev of the RESULTs of the session. */
    readonly told?: number;
  };
  readonly features?: readonly string[];
}

export interface WelcomeLimits {
  readonly frameBytes: number;
  readonly messageBytes: number;
  readonly framesPerMessage: number;
  readonly inFlight: number;
  readonly remembered: number;
  readonly subs: number;
  readonly resumeWindowMs: number;
  readonly leaseMs: number;
}

export interface WelcomeBody {
  readonly v: readonly [major: number, minor: number];
  readonly session: string;
  readonly secret: string;
  readonly rev: number;
  readonly resumed: boolean;
  readonly reason?: 'expired' | 'gap' | 'epoch' | 'auth';
  /** With `epoch`: what the client was told up to here is there; what it was told behind it is lost. Absent: that is not known. */
  readonly kept?: number;
  readonly snapshot?: SessionSnapshot;
  readonly agent?: { readonly id: string };
  readonly principal: { readonly id: string; readonly tenant: string; readonly role: Role };
  readonly now: number;
  readonly ping: { readonly intervalMs: number; readonly timeoutMs: number };
  readonly limits: WelcomeLimits;
  readonly features: readonly string[];
  readonly server: { readonly version: string; readonly node: string };
}

export interface ErrorBody {
  readonly code: string;
  readonly type: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly details?: Value;
}

export interface GoawayBody {
  readonly reason: string;
  readonly action: 'resume' | 'fresh' | 'stop';
  readonly delayMs: readonly [min: number, max: number];
}
