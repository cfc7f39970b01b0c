/** How large a value is as MessagePack, without encoding it. */
/** True if the value takes at most `max` bytes. A bound is tried first, since most values are far below their limit. */
export function fits(value: unknown, max: number): boolean {
  return atMost(value, max, 'bound') >= 0 || atMost(value, max, 'exact') >= 0;
}

/** Strings are counted, or taken as three bytes a UTF-16 unit. */
type Mode = 'bound' | 'exact';

/** What is left of `room` after the value, negative if it does not fit. As deep as the value is nested. */
function atMost(value: unknown, room: number, mode: Mode): number {
  if (room < 0) return room;
  if (typeof value === 'string') return room - textBytes(value, room, mode);
  if (typeof value === 'number') return room - numberBytes(value);
  if (typeof value !== 'object' || value === null) return room - 1;
  if (value instanceof Uint8Array)
    return room - (value.length < 0x100 ? 2 : value.length < 0x1_0000 ? 3 : 5) - value.length;
  let left = room;
  if (Array.isArray(value)) {
    left -= headBytes(value.length);
    for (let i = 0; i < value.length && left >= 0; i += 1) left = atMost(value[i], left, mode);
    return left;
  }
  let count = 0;
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    count += 1;
    left = atMost(member, left - textBytes(key, left, mode), mode);
    if (left < 0) return left;
  }
  return left - headBytes(count);
}

function textBytes(text: string, room: number, mode: Mode): number {
  if (mode === 'bound') return 5 + text.length * 3;
  // What cannot fit need not be counted.
  if (text.length > room) return room + 1;
  let bytes = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3;
  }
  return bytes + (bytes < 0x20 ? 1 : bytes < 0x100 ? 2 : bytes < 0x1_0000 ? 3 : 5);
}

function headBytes(count: number): number {
  return count < 16 ? 1 : count < 0x1_0000 ? 3 : 5;
}

function numberBytes(value: number): number {
  if (!Number.isSafeInteger(value)) return 9;
  if (value >= 0) return value < 0x80 ? 1 : value < 0x100 ? 2 : value < 0x1_0000 ? 3 : value < 0x1_0000_0000 ? 5 : 9;
  return value >= -0x20 ? 1 : value >= -0x80 ? 2 : value >= -0x8000 ? 3 : value >= -0x8000_0000 ? 5 : 9;
}
