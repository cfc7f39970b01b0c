/** Bytes as the vectors write them: hexadecimal, with spaces and repetitions like `91*40` or `(a16b)*3`. */
export function fromHex(text: string): Uint8Array {
  const spread = text
    .replaceAll(/\(([0-9a-f ]+)\)\*(\d+)/g, (_all, group: string, times: string) => group.repeat(Number(times)))
    .replaceAll(/([0-9a-f]{2})\*(\d+)/g, (_all, byte: string, times: string) => byte.repeat(Number(times)));
  const digits = spread.replaceAll(/\s/g, '');
  if (digits.length % 2 !== 0 || /[^0-9a-f]/.test(digits)) throw new Error(`not hexadecimal: ${text.slice(0, 60)}`);
  return Uint8Array.from({ length: digits.length / 2 }, (_none, i) =>
    Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16),
  );
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
