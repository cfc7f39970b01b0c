/** Socket.IO: what one client sends is emitted to a room that all are in. */
import { playRole } from '../harness/role.ts';
import { listenSocketIo } from '../harness/socketio-server.ts';
import type { PlainCalls } from './roles.ts';

playRole<PlainCalls>(() => ({ listen: () => listenSocketIo() }));
