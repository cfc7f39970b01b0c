/**
 * The clock of an IANA zone: how far it is from UTC at an instant, and when that changes.
 *
 * Z1 All times are milliseconds; a local time is written as the instant at which UTC shows it.
 */

export interface Zone {
  readonly name: string;
  /** Local time less UTC. */
  offset(at: number): number;
}

const FIELD = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/;
/** More are forgotten, all at once: there are some four hundred zones. */
const KNOWN_MAX = 256;

/** Zones that were asked for, each once: a formatter takes a third of a millisecond to make. */
export class Zones {
  readonly #zones = new Map<string, Zone>();

  /** Undefined: no such zone. */
  get(name: string): Zone | undefined {
    const known = this.#zones.get(name);
    if (known !== undefined) return known;
    const made = zoneOf(name);
    if (made === undefined) return undefined;
    if (this.#zones.size >= KNOWN_MAX) this.#zones.clear();
    this.#zones.set(name, made);
    return made;
  }
}

function zoneOf(name: string): Zone | undefined {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  } catch {
    return undefined;
  }
  return { name, offset: (at) => offsetIn(format.format(at)) };
}

/** Of `1/31/2026, GMT+01:00`. */
function offsetIn(text: string): number {
  const [, sign, hours = 0, minutes = 0, seconds = 0] = FIELD.exec(text) ?? [];
  const ms = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1_000;
  return sign === '-' ? -ms : ms;
}

/** The first instant in (from, to] with another offset than at `from`; the two differ at their ends. */
export function changeBetween(zone: Zone, from: number, to: number): number {
  const before = zone.offset(from);
  let [low, high] = [from, to];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (zone.offset(middle) === before) low = middle;
    else high = middle;
  }
  return high;
}
