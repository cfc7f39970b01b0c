/** What submitter and worker of RabbitMQ agree on. */
import { connect, type ChannelModel } from 'amqplib';
import { TASK_TYPE } from './roles.ts';

export const QUEUE = TASK_TYPE;

/** Connected, and the queue is there: of the kind that syncs what is published and what is acknowledged. */
export async function connectRabbitMq(url: string): Promise<ChannelModel> {
  const connection = await connect(url, { noDelay: true });
  const channel = await connection.createChannel();
  await channel.assertQueue(QUEUE, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
  await channel.close();
  return connection;
}
