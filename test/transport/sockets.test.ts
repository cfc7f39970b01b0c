/** The transports with sockets. That uws is among them where everything is installed is asserted by choose.test.ts. */
import { describe } from 'vitest';
import { abuse } from '../conformance/abuse.ts';
import { FORMS } from '../conformance/forms.ts';
import { limits } from '../conformance/limits.ts';
import { socketConformance } from '../conformance/sockets.ts';
import { SOCKET_TRANSPORTS } from '../support/listen.ts';

describe.each(SOCKET_TRANSPORTS)('%s', (name) => {
  socketConformance(name);
  describe.each(FORMS)('what strangers do, in %s', (form) => {
    abuse(name, form);
  });
  describe('who is let in', () => {
    limits(name);
  });
});
