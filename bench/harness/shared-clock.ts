/**
 * Milliseconds that all processes of this machine count alike: the kernel's monotonic clock.
 *
 * `performance.timeOrigin + performance.now()` would not do: each process takes its origin from the wall clock when it
 * starts, and while that clock is being adjusted, processes of different age differ by milliseconds.
 */
export function sharedMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
