/** The address of a server, as it is given and as it is dialled. */
import { clientError } from './errors.ts';

const SCHEMES: { readonly [scheme: string]: string } = {
  'ws:': 'ws:',
  'wss:': 'wss:',
  'http:': 'ws:',
  'https:': 'wss:',
};

/** With the scheme of WebSockets and the protocol's path. */
export function normaliseUrl(url: string): string {
  const example = 'for example ws://127.0.0.1:7420';
  if (typeof url !== 'string' || url === '')
    throw clientError('INVALID_OPTIONS', `connect needs the server's url, ${example}.`);
  const match = /^([a-z]+:)\/\/([^/?#\\\s]+)(\/[^?#]*)?$/i.exec(url.trim());
  if (match?.[2]?.includes('@') === true)
    throw clientError('INVALID_OPTIONS', `The server's url must not hold a user name or a password; ${example}.`);
  const scheme = SCHEMES[match?.[1]?.toLowerCase() ?? ''];
  if (match === null || scheme === undefined)
    throw clientError('INVALID_OPTIONS', `${url} is not the url of a server, ${example}.`);
  const path = match[3] === undefined || match[3] === '/' ? '/v1' : match[3];
  return `${scheme}//${match[2]}${path}`;
}
