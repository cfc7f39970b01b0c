/** Params of the methods that control running tasks. */
import type { ControlMethod } from '../../../protocol/wire/control.ts';
import { bad, good, held, large, reduced, unheld, type ParamsVector } from './params-forms.ts';

const id = 'tsk_01';
const within: readonly ParamsVector[] = [
  bad('no id', { id: '' }, 'id'),
  bad('no time to acknowledge', { id, acknowledgeMs: 0 }, 'acknowledgeMs'),
];

export const CONTROL_PARAMS: { readonly [M in ControlMethod]: readonly ParamsVector[] } = {
  'task.pause': [
    good('an id', { id }),
    good('to be acknowledged', { id, reason: 'a person looks', acknowledgeMs: 5_000 }),
    bad('a reason too long', { id, reason: { $repeat: ['x', 1_025] } }, 'reason'),
    ...within,
  ],
  'task.resume': [good('an id', { id }), good('to be acknowledged', { id, reason: '', acknowledgeMs: 100 }), ...within],
  'task.steer': [
    good('a text', { id, message: 'in French' }),
    good('nil', { id, message: null }),
    good('a map, to be acknowledged', { id, message: { tone: 'short' }, acknowledgeMs: 60_000 }),
    bad('no message', { id }, 'message'),
    large('a message too large', { id, message: { $repeat: ['x', 16_382] } }, 'message'),
  ],
  'task.reprioritise': [
    good('another priority', { id, priority: 'critical' }),
    bad('an unknown one', { id, priority: 'urgent' }, 'priority'),
    bad('a number', { id, priority: 3 }, 'priority'),
  ],
  'task.extend': [
    good('a deadline', { id, deadlineMs: 60_000 }),
    good('by its holder', { ...held, timeoutMs: 60_000, progressTimeoutMs: 1_000 }),
    good('none any more', { id, deadlineMs: null, timeoutMs: null, progressTimeoutMs: null }),
    bad('nothing', { id }, ''),
    bad('no time', { id, deadlineMs: 0 }, 'deadlineMs'),
    bad('a token that is none', { id, token: 'x', timeoutMs: 1_000 }, 'token'),
  ],
  'task.acknowledge': [
    good('a cancel', { ...held, control: 'cancel' }),
    good('a lost lease', { ...held, control: 'leaseLost' }),
    good('an order', { ...held, control: 'steer', seq: 3 }),
    bad('no control', held, 'control'),
    bad('an unknown control', { ...held, control: 'hurry' }, 'control'),
    bad('an order without its number', { ...held, control: 'pause' }, 'seq'),
    bad('a number for what has none', { ...held, control: 'cancel', seq: 1 }, 'seq'),
    bad('the number 0', { ...held, control: 'resume', seq: 0 }, 'seq'),
  ],
  'task.checkpoint': [
    good('nil', { ...held, data: null }),
    good('a map', { ...held, data: { page: 7 } }),
    bad('no data', held, 'data'),
    large('too large', { ...held, data: { $repeat: ['x', 65_534] } }, 'data'),
    ...unheld({ data: 1 }),
  ],
  'task.output': [
    good('a text', { ...held, offset: 0, data: 'chapter one' }),
    good('bytes', { ...held, offset: 4_096, data: { $bin: 'AQI=' } }),
    bad('no offset', { ...held, data: 'x' }, 'offset'),
    bad('a negative offset', { ...held, offset: -1, data: 'x' }, 'offset'),
    bad('nothing', { ...held, offset: 0, data: '' }, 'data'),
    bad('no text', { ...held, offset: 0, data: 7 }, 'data'),
    large('too large', { ...held, offset: 0, data: { $repeat: ['x', 65_537] } }, 'data'),
  ],
  'task.readOutput': [
    good('from the beginning', { id }),
    good('from somewhere', { id, offset: 100, limit: 200 }),
    bad('a negative offset', { id, offset: -1 }, 'offset'),
    bad('limit 0', { id, limit: 0 }, 'limit'),
  ],
  'task.ask': [
    good('a question', { ...held, question: 'Which branch?' }),
    good('with choices, for a while', { ...held, question: 'Delete?', choices: ['yes', 'no'], expiresMs: 60_000 }),
    reduced('keys that nobody knows', { ...held, question: '?', to: 'boss' }, { ...held, question: '?' }),
    bad('an empty question', { ...held, question: '' }, 'question'),
    bad('a question too long', { ...held, question: { $repeat: ['x', 2_049] } }, 'question'),
    bad('a choice twice', { ...held, question: '?', choices: ['a', 'a'] }, 'choices'),
    bad('nine choices', { ...held, question: '?', choices: ['1', '2', '3', '4', '5', '6', '7', '8', '9'] }, 'choices'),
    bad('no time', { ...held, question: '?', expiresMs: 0 }, 'expiresMs'),
  ],
  'task.answer': [
    good('a text', { id, askId: 'ask_01', answer: 'main' }),
    good('nil', { id, askId: 'ask_01', answer: null }),
    bad('no answer', { id, askId: 'ask_01' }, 'answer'),
    bad('no question', { id, answer: 1 }, 'askId'),
    large('too large', { id, askId: 'ask_01', answer: { $repeat: ['x', 4_094] } }, 'answer'),
  ],
};
