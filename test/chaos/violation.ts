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
  /** A promise to tasks of one kind. */
  | 'broken'
  | 'fault';

export interface Violation {
  readonly kind: ViolationKind;
  readonly message: string;
}
