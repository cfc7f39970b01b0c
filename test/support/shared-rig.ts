/** A node whose logs others share, which are played. */
import type { AgentShape } from '../../protocol/wire/types.ts';
import { must } from '../../src/base/assert.ts';
import { encodeEntry } from '../../src/engine/entry.ts';
import { ENGINE_VERSION, type Command } from '../../src/engine/port.ts';
import { LogFault, type LogDriver, type Members, type MembersWatcher, type TenantLog } from '../../src/log/port.ts';
import type { Audited } from '../../src/node/audit.ts';
import { NodeRig } from './node-rig.ts';

class Others implements Members {
  rank = 0;
  base = 0;
  left = false;
  /** What all others know. */
  engineOfOthers = ENGINE_VERSION;
  watcher: MembersWatcher | undefined;

  join(done: (how: 'alone' | 'beside') => void): void {
    done('alone');
  }

  opened(): void {}

  raise(engine: number, done: (upTo: number) => void): void {
    done(Math.min(engine, this.engineOfOthers));
  }

  watch(watcher: MembersWatcher): void {
    this.watcher = watcher;
  }

  leave(): void {
    this.left = true;
  }

  end(): void {}
}

export class SharedRig {
  readonly others = new Map<string, Others>();
  readonly #logs = new Map<string, TenantLog>();
  readonly #prepare: (members: Others, tenant: string) => void;
  #drawn = 0;
  readonly rig: NodeRig;

  /** `prepare`: what the others are like from the beginning. */
  constructor(prepare: (members: Others, tenant: string) => void = () => undefined) {
    this.#prepare = prepare;
    this.rig = new NodeRig({ log: (log) => this.#sharing(log) }).start();
  }

  #sharing(log: LogDriver): LogDriver {
    return {
      name: log.name,
      snapshots: log.snapshots,
      tenants: (done) => log.tenants(done),
      open: (tenant, done) =>
        log.open(tenant, (opened) => {
          if (opened instanceof Error) return done(opened);
          const members = new Others();
          this.#prepare(members, tenant);
          this.others.set(tenant, members);
          this.#logs.set(tenant, opened);
          done({
            tenant,
            logId: opened.logId,
            epoch: opened.epoch,
            members,
            append: (payloads, appended) => opened.append(payloads, appended),
            tail: (from, sink) => {
              if (from.seq >= members.base) opened.tail(from, sink);
              else this.rig.scheduler.defer(() => sink.fault(new LogFault('GAP', 'it was trimmed')));
            },
            read: (from, limit, read) => opened.read(from, limit, read),
            trim: (seq, trimmed) => opened.trim(seq, trimmed),
          });
        }),
      disk: () => log.disk(),
      close: (done) => log.close(done),
    };
  }

  get members(): Others {
    return must(this.others.get('default'), 'the tenant is open');
  }

  get watcher(): MembersWatcher {
    return must(this.members.watcher, 'the tenant watches');
  }

  get state() {
    return must(this.rig.node.serving('default'), 'a tenant').tenant.engine.state;
  }

  /** An entry of another node. */
  from(node: string, ...commands: Command[]): void {
    this.#drawn += 1;
    const random = new Uint8Array(16).fill(this.#drawn);
    must(this.#logs.get('default'), 'a log').append([encodeEntry({ node, random, commands })], () => undefined);
    this.rig.scheduler.settle();
  }

  helloFrom(node: string, agent: AgentShape): void {
    const principal = { id: 'key:other', role: 'admin' } as const;
    this.from(node, { kind: 'session.hello', principal, secretHash: node, subs: [], node, agent });
  }

  /** Another node says with its beat up to where its agents have heard everything. */
  said(heard: number, more: { readonly head?: number; readonly audits?: readonly Audited[] } = {}): void {
    const { audits = [] } = more;
    const about = JSON.stringify({ version: 'test', startedAt: 1, behind: 7, behindMs: 8, heard, audits });
    this.watcher.beaten(more.head ?? this.state.counters.seq, [{ node: 'n2', silentMs: 9, about }]);
    this.rig.scheduler.settle();
  }
}
