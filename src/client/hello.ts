/** HELLO as bytes, within its own limit. */
import { EncodeError, encodeFrameParts } from '../../protocol/wire/codec.ts';
import { PEER_LIMITS } from '../../protocol/wire/peer-limits.ts';
import { Op, type HelloBody } from '../../protocol/wire/types.ts';
import { asServerError, clientError, type MusterError } from './errors.ts';

/**
 * What the agent still runs is cut to what fits: for the rest the server gives up the assignment, as it does when an
 * agent does not come back. The caller puts first what is the greater loss.
 */
export function encodeHello(body: HelloBody): Uint8Array | MusterError {
  const running = body.agent?.running ?? [];
  let keep = running.length;
  for (;;) {
    const bytes = encode(body, keep);
    if (!(bytes instanceof Uint8Array) || bytes.length <= PEER_LIMITS.helloBytes) return bytes;
    if (keep === 0)
      return asServerError(
        'TOO_LARGE',
        `HELLO has ${bytes.length} bytes; the limit is ${PEER_LIMITS.helloBytes}. Shorten the agent's metadata or the subscriptions.`,
      );
    keep = Math.floor((keep * PEER_LIMITS.helloBytes) / bytes.length);
  }
}

function encode(body: HelloBody, keep: number): Uint8Array | MusterError {
  const running = body.agent?.running;
  const fitted =
    body.agent === undefined || running === undefined
      ? body
      : { ...body, agent: { ...body.agent, running: running.slice(0, keep) } };
  try {
    return encodeFrameParts(Op.HELLO, 0, fitted);
  } catch (error) {
    if (error instanceof EncodeError)
      return clientError('VALUE_UNSUPPORTED', `HELLO: ${error.message}.`, { cause: error });
    throw error;
  }
}
