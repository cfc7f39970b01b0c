/** A broken promise, as the verdict reports it. */

export type ViolationKind =
  | 'lost'
  | 'duplicated'
  | 'stuck'
  | 'acceptedTwice'
  | 'unfounded'
  | 'executedTwice'
  | 'capacity'
  | 'rev'
  | 'untold'
  | 'toldTwice'
  | 'notResumed'
  | 'fault';

export interface Violation {
  readonly kind: ViolationKind;
  readonly message: string;
}
