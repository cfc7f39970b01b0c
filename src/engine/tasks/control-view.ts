/** What a task shows of its control, and what an order tells of the orders before it. */
import type { ControlItem, ControlView } from '../../../protocol/wire/control.ts';
import type { Data } from '../../../protocol/wire/types.ts';
import type { TaskRecord } from '../records.ts';
import { openOrders, type Ask, type Checkpoint, type Pause } from './control-record.ts';

type Shown = { -readonly [K in keyof ControlView]: ControlView[K] };

/** `whole`: with the data of the checkpoint. The members stand in one order. */
export function controlView(task: TaskRecord, whole: boolean): ControlView {
  const { control } = task;
  const view: Shown = {};
  if (control === undefined) return view;
  const { pause, asks, checkpoint, output } = control;
  if (pause !== undefined) view.paused = pauseView(pause);
  const orders = openOrders(task);
  if (orders.length > 0) {
    view.controls = orders.map(({ control: kind, data, at, overdue }) => ({
      control: kind,
      seq: data.seq,
      at,
      ...(overdue === undefined ? undefined : { overdue }),
    }));
  }
  if (asks !== undefined) view.questions = asks.map(questionView);
  if (checkpoint !== undefined) view.checkpoint = checkpointView(checkpoint, whole);
  if (output !== undefined) view.output = { bytes: output.bytes, pieces: output.pieces };
  return view;
}

function pauseView({ at, by, reason, confirmed }: Pause): NonNullable<ControlView['paused']> {
  return {
    at,
    by,
    ...(reason === undefined ? undefined : { reason }),
    ...(confirmed === undefined ? undefined : { confirmed }),
  };
}

function questionView({ askId, question, choices, at, expiresAt }: Ask): NonNullable<ControlView['questions']>[number] {
  return {
    askId,
    question,
    ...(choices === undefined ? undefined : { choices }),
    askedAt: at,
    ...(expiresAt === undefined ? undefined : { expiresAt }),
  };
}

function checkpointView(checkpoint: Checkpoint, whole: boolean): NonNullable<ControlView['checkpoint']> {
  const { attempt, at, bytes, data } = checkpoint;
  return whole ? { attempt, at, bytes, data } : { attempt, at, bytes };
}

/** Orders that the holder is still to acknowledge, as they stand beside its task. */
export function controlItems(task: TaskRecord): readonly ControlItem[] | undefined {
  if (task.control?.orders === undefined) return undefined;
  const items = openOrders(task).map(({ control, data }) => ({ control, ...data }));
  return items.length === 0 ? undefined : items;
}

/** Whether an order that was told is still to be acknowledged: else it is not told again. */
export function isOpenOrder(task: TaskRecord, data: Data): boolean {
  const seq = typeof data === 'object' && data !== null && 'seq' in data ? data['seq'] : undefined;
  return openOrders(task).some((order) => order.data.seq === seq);
}
