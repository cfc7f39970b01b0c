/** Frames of RFC 6455, built by hand for tests. */

export interface FrameOptions {
  readonly mask: boolean;
  readonly fin?: boolean;
  readonly opcode?: number;
}

const MASK = Buffer.from([0x12, 0x9a, 0x00, 0xff]);

export function frame(payload: Buffer, options: FrameOptions): Buffer {
  const { mask, fin = true, opcode = 2 } = options;
  const first = Buffer.from([(fin ? 0x80 : 0) | opcode]);
  const size = sizeOf(payload.length, mask ? 0x80 : 0);
  if (!mask) return Buffer.concat([first, size, payload]);
  return Buffer.concat([first, size, MASK, payload.map((byte, at) => byte ^ MASK.readUInt8(at % 4))]);
}

function sizeOf(length: number, maskBit: number): Buffer {
  if (length < 126) return Buffer.from([maskBit | length]);
  if (length < 65_536) return Buffer.from([maskBit | 126, length >> 8, length & 0xff]);
  const size = Buffer.alloc(9);
  size.writeUInt8(maskBit | 127, 0);
  size.writeBigUInt64BE(BigInt(length), 1);
  return size;
}
