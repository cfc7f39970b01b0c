/** Listening to topics by a function each. */
import { meansTopic } from '../../protocol/wire/topics.ts';
import type { MusterError } from './errors.ts';
import type { PushIn } from './incoming.ts';
import type { Subscriptions } from './subscriptions.ts';

export type TopicListener = (push: PushIn) => void;

export interface TopicMethods {
  /**
   * Calls back for each push on the topic, or on those that a pattern means (`build.*`, `task.>`), on whatever session this
   * client has. Resolves, once the server has the subscription, with how to end it.
   */
  listen(topic: string, heard: TopicListener): Promise<() => void>;
}

/** What listening needs of the client. */
interface Source {
  readonly subscriptions: Subscriptions;
  on(heard: TopicListener): void;
  off(heard: TopicListener): void;
}

export function listen(source: Source, topic: string, heard: TopicListener): Promise<() => void> {
  const { subscriptions } = source;
  return new Promise((resolve, reject) => {
    const onPush = (push: PushIn): void => {
      if (push.topic !== undefined && meansTopic(topic, push.topic)) heard(push);
    };
    // Before the request: the first push may stand in one message with the answer.
    source.on(onPush);
    let listening = true;
    subscriptions.acquire(topic, (subscribed, error?: MusterError) => {
      if (!subscribed) {
        source.off(onPush);
        return reject(error);
      }
      resolve(() => {
        if (!listening) return;
        listening = false;
        source.off(onPush);
        subscriptions.release(topic);
      });
    });
  });
}
