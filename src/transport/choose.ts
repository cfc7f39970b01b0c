/**
 * Which transport serves agents, and the one listener that `main` sees.
 *
 * `auto` is `ws`: what uws gains is in docs/decisions/0021-uwebsockets.md, and what it lacks.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { admissionOf, type ListenOptions, type Listener } from './listener.ts';
import { loadUws, type Runtime, type UwsNative } from './uws-native.ts';
import { listenUws } from './uws.ts';
import { listenWs, upgradeWs } from './ws.ts';

export type TransportName = 'ws' | 'uws';

export type Transport =
  { readonly name: 'ws' } | { readonly name: 'uws'; readonly version: string; readonly native: UwsNative };

export type Choice =
  { readonly ok: true; readonly transport: Transport } | { readonly ok: false; readonly why: string };

/** Not ok: uws is wanted and cannot be loaded. */
export function chooseTransport(
  wanted: 'auto' | TransportName,
  where: { readonly runtime: Runtime; readonly folders?: readonly string[] },
): Choice {
  if (wanted !== 'uws') return { ok: true, transport: { name: 'ws' } };
  const found = loadUws(where.runtime, where.folders);
  if (!found.ok) return { ok: false, why: found.why };
  return { ok: true, transport: { name: 'uws', version: found.version, native: found.native } };
}

export interface TransportListener extends Listener {
  /**
   * Takes an upgrade request of another HTTP server. Always `ws`: a native server cannot take over a socket that
   * Node has.
   */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** Resolves when it listens; rejects if it cannot. */
export async function listenOn(transport: Transport, options: ListenOptions): Promise<TransportListener> {
  const admission = admissionOf(options);
  if (transport.name === 'ws') return listenWs(options, admission);
  const uws = await listenUws(transport.native, { options, admission });
  const upgrader = upgradeWs(options, admission);
  return {
    port: uws.port,
    get connections() {
      return admission.gate.open;
    },
    handleUpgrade: (request, socket, head) => upgrader.handleUpgrade(request, socket, head),
    close: async () => {
      await Promise.all([upgrader.destroy(), uws.close()]);
    },
  };
}
