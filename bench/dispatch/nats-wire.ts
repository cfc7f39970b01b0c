/** What submitter and worker of NATS agree on: a work queue in a file, results over plain NATS. */
import { AckPolicy, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { TASK_TYPE } from './roles.ts';

export const STREAM = TASK_TYPE;
export const SUBJECT = `${TASK_TYPE}.tasks`;
export const RESULTS = `${TASK_TYPE}-results`;
export const CONSUMER = 'workers';

/** Connected; stream and consumer are there. */
export async function connectNats(url: string): Promise<NatsConnection> {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: STREAM,
    subjects: [SUBJECT],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
  });
  await manager.consumers.add(STREAM, { durable_name: CONSUMER, ack_policy: AckPolicy.Explicit, max_ack_pending: -1 });
  return connection;
}
