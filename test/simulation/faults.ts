/** Makes the faults of a plan. */
import type { SimClient } from './client.ts';
import { intrude } from './intruder.ts';
import type { Action, Fault, ServerFault } from './plan.ts';
import { SimClient as Client } from './client.ts';
import { noticedMs } from './network.ts';
import type { Simulation } from './simulation.ts';

export type FaultAction = Extract<Action, Fault | ServerFault>;

/** What is done to a client, and not asked by it. */
const OF_CLIENTS: { readonly [F in Fault['do']]: true } = {
  cut: true,
  silence: true,
  hold: true,
  trap: true,
  freeze: true,
  kill: true,
  leave: true,
  twin: true,
  impostor: true,
  revoke: true,
};

type OfClient = Extract<Action, { readonly client: string }>;

export function isFault(action: OfClient): action is Extract<OfClient, Fault> {
  return Object.hasOwn(OF_CLIENTS, action.do);
}

export function makeFault(simulation: Simulation, action: FaultAction): void {
  if (action.client === undefined) {
    ofServer(simulation, action);
    return;
  }
  const client = simulation.clients.get(action.client);
  if (client !== undefined) ofClient(simulation, client, action);
}

function ofClient(simulation: Simulation, client: SimClient, fault: Fault): void {
  const { recorder, network, world } = simulation;
  const { wire } = client;
  const { name } = client;
  switch (fault.do) {
    case 'cut':
      if (wire?.link === undefined) return;
      recorder.fault('connection cut', { conn: wire.conn, severs: true });
      wire.link.cut();
      return;
    case 'silence':
      if (wire?.link === undefined) return;
      recorder.fault('half-open connection', { conn: wire.conn, severs: true });
      recorder.marks.count('half-open connection');
      recorder.restless(noticedMs());
      if (fault.from !== 'server') wire.link.silence('client');
      if (fault.from !== 'client') wire.link.silence('server');
      return;
    case 'hold': {
      const link = wire?.link;
      if (wire === undefined || link === undefined) return;
      recorder.fault('slow reader', { conn: wire.conn, severs: true });
      recorder.restless(fault.ms + noticedMs());
      link.hold('server');
      world.after(fault.ms, () => link.release('server'));
      return;
    }
    case 'trap':
      network.trap(name, fault);
      return;
    case 'freeze':
      if (!client.running || client.paused) return;
      recorder.fault('client frozen', { client: name, severs: true });
      client.pause();
      world.after(fault.ms, () => client.resume());
      return;
    case 'kill':
      if (!client.running) return;
      recorder.fault(fault.machine ? 'client machine lost' : 'client killed', { client: name, severs: true });
      client.kill(fault.machine);
      comeBack(simulation, client, fault.downMs);
      return;
    case 'leave':
      if (!client.running) return;
      recorder.fault('client left', { client: name, severs: true });
      client.leave(fault);
      comeBack(simulation, client, fault.downMs);
      return;
    case 'twin':
      return twin(simulation, client, fault.ms);
    case 'impostor':
      recorder.fault(`session presented with a ${fault.proof} proof`, { client: name, severs: true });
      intrude(simulation.around, client, fault.proof);
      comeBack(simulation, client, 5_000);
      return;
    case 'revoke':
      if (!simulation.keys.revoke(client)) return;
      recorder.fault('key revoked', { client: name, severs: true });
      comeBack(simulation, client, 2_000);
      return;
  }
}

function comeBack(simulation: Simulation, client: SimClient, ms: number): void {
  client.restartAt = simulation.time.now + ms;
  simulation.world.after(ms, () => simulation.startClient(client));
}

/** A second process of the agent: it takes over, and after a while gives up its place again. */
function twin(simulation: Simulation, client: SimClient, ms: number): void {
  const { recorder, world } = simulation;
  if (client.token === undefined) return;
  simulation.twins += 1;
  const name = `${client.name}+${simulation.twins}`;
  recorder.fault('second process of an agent', { client: client.name, severs: true });
  recorder.marks.count('takeover by another process');
  const other = new Client({ ...client.plan, name }, simulation.around);
  other.token = client.token;
  other.start();
  world.after(ms, () => {
    other.kill(false);
    simulation.startClient(client);
  });
  client.restartAt = simulation.time.now + ms;
}

function ofServer(simulation: Simulation, fault: ServerFault): void {
  const { recorder, server, world, time } = simulation;
  switch (fault.do) {
    case 'crash': {
      if (!server.running) return;
      const at = time.steps + fault.steps;
      const crash = (): void => {
        if (!server.running || simulation.healed) return;
        recorder.fault(fault.machine ? 'server machine lost' : 'server crash', { severs: true });
        recorder.restless(noticedMs());
        server.crash(fault);
        simulation.startServerIn(fault.downMs);
      };
      // The world's turn comes among the others', so that the crash falls between any two callbacks.
      const wait = (): void => {
        if (time.steps >= at) crash();
        else world.defer(wait);
      };
      world.defer(wait);
      return;
    }
    case 'stop':
      if (!server.up) return;
      recorder.fault('server stop', { severs: true });
      server.stop(() => simulation.startServerIn(fault.downMs));
      return;
    case 'freezeServer':
      if (!server.running) return;
      recorder.fault('server frozen', { severs: true });
      server.pause();
      world.after(fault.ms, () => server.resume());
      return;
    case 'jump':
      recorder.fault('clock jump');
      server.jump(fault.ms);
      return;
    case 'checkpoint':
      server.checkpoint();
      return;
    case 'rebalance':
      server.rebalance();
      return;
    case 'retain':
      server.retain();
      return;
    case 'sweep':
      server.sweep();
      return;
    case 'goaway':
      recorder.fault('clients told to leave', { severs: true });
      server.goaway();
      return;
    case 'damage':
      recorder.fault('snapshot damaged');
      server.damage(fault.how ?? 'bit');
      return;
    case 'disk':
      recorder.fault(
        `disk: ${fault.what}`,
        fault.what === 'low' && fault.percent === 100 ? { noRoomUntil: time.now + fault.ms } : {},
      );
      server.disk.begin(fault);
      return;
    case 'trouble':
      recorder.fault(`log: ${fault.what}`);
      server.trouble(fault);
      return;
  }
}
