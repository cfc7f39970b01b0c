/**
 * A connection that presents a session which another connection has: with a copy of its proof, as a HELLO does that
 * comes late, or with a forged one. It leaves as soon as it has its answer.
 */
import { encodeFrameParts, readMessage } from '../../protocol/wire/codec.ts';
import { SERVER_FRAME_LIMITS } from '../../protocol/wire/scan.ts';
import { Op, type HelloBody, type WelcomeBody } from '../../protocol/wire/types.ts';
import type { SimClient, Surroundings } from './client.ts';
import { helloOf, welcomeOf } from './wire.ts';

/** Without an answer it leaves. */
const PATIENCE_MS = 5_000;

export function intrude(around: Surroundings, victim: SimClient, proof: 'copied' | 'forged'): void {
  const { wire, sdk, token } = victim;
  const { known } = wire ?? {};
  if (wire === undefined || sdk === undefined || known === undefined || token === undefined || !sdk.core.online) return;
  const { recorder, network, time, random } = around;
  const forged = proof === 'forged';
  const conn = recorder.newConn();
  recorder.restless(PATIENCE_MS + 1_000);
  const client = forged ? `intruder ${conn}` : victim.name;
  const secret = forged ? Buffer.from(random.fork(conn).bytes(20)).toString('hex') : known.secret;
  const hello: HelloBody = {
    v: [1, 0, 0],
    client: { name: client, version: 'simulated' },
    auth: { token },
    resume: { session: known.session, secret, rev: sdk.core.position },
  };
  const lane = time.lane(`intruder ${conn}`);
  let over = false;
  const { incarnation: of } = victim;
  /** A copy is the doing of the program that has the session; it ends with it. */
  const isGone = (): boolean => !forged && (!victim.running || victim.incarnation !== of);
  const link = network.dial({ client, conn }, (connection) => {
    const end = (): void => {
      over = true;
      if (!isGone()) recorder.add({ kind: 'disconnect', conn });
      connection.destroy();
    };
    lane.after(PATIENCE_MS, () => {
      if (!over) end();
    });
    lane.defer(() => connection.write(encodeFrameParts(Op.HELLO, 0, hello)));
    return {
      message: (bytes) => {
        if (over) return;
        if (isGone()) return end();
        const welcome = welcomeIn(bytes);
        if (welcome !== undefined) recorder.add({ kind: 'welcome', conn, ...welcomeOf(welcome) });
        recorder.marks.count(welcome?.resumed === true ? 'impostor welcomed' : 'impostor refused');
        if (welcome?.reason === 'auth') recorder.marks.count('resume refused: auth');
        end();
      },
      drain: () => undefined,
      closed: () => {
        if (!over) end();
      },
    };
  });
  if (link === undefined) return;
  if (forged) recorder.add({ kind: 'client.start', client, incarnation: 1, tenant: victim.plan.tenant, sdk: false });
  const incarnation = forged ? 1 : victim.incarnation;
  recorder.add({ kind: 'connect', conn, client, incarnation });
  recorder.add({ kind: 'hello', conn, ...helloOf(hello), ...(forged ? { forged } : {}) });
}

function welcomeIn(bytes: Uint8Array): WelcomeBody | undefined {
  const welcome = readMessage(bytes, SERVER_FRAME_LIMITS).frames.find(({ op }) => op === Op.WELCOME);
  return welcome?.body as unknown as WelcomeBody | undefined;
}
