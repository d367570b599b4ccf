/** Frames as a pcapng file with nanosecond times, device names and directions: what the engine reads itself. */
import type { Frame } from '../../src/model/witness.ts';

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

function option(code: number, value: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(code, 0);
  head.writeUInt16LE(value.length, 2);
  return Buffer.concat([head, padded(value)]);
}

function block(type: number, body: Uint8Array): Buffer {
  const length = 12 + body.length;
  const out = Buffer.alloc(length);
  out.writeUInt32LE(type, 0);
  out.writeUInt32LE(length, 4);
  out.set(body, 8);
  out.writeUInt32LE(length, length - 4);
  return out;
}

const END = Buffer.alloc(4);

function interfaceBlock(frame: Frame): Buffer {
  const fixed = Buffer.alloc(8);
  fixed.writeUInt16LE(frame.linktype, 0);
  const name = frame.interfaceName === undefined ? [] : [option(2, Buffer.from(frame.interfaceName))];
  return block(1, Buffer.concat([fixed, ...name, option(9, Buffer.from([9])), END]));
}

function packetBlock(frame: Frame, device: number): Buffer {
  const fixed = Buffer.alloc(20);
  fixed.writeUInt32LE(device, 0);
  fixed.writeUInt32LE(Number(frame.time >> 32n), 4);
  fixed.writeUInt32LE(Number(frame.time & 0xffffffffn), 8);
  fixed.writeUInt32LE(frame.bytes.length, 12);
  fixed.writeUInt32LE(frame.wire, 16);
  const flags = frame.direction === undefined ? [] : [option(2, Buffer.from([frame.direction === 'in' ? 1 : 2, 0, 0, 0])), END];
  return block(6, Buffer.concat([fixed, padded(frame.bytes), ...flags]));
}

/** A pcapng file of these frames; one interface for each pair of link type and device name. */
export function stampedCapture(frames: readonly Frame[]): Uint8Array {
  const section = Buffer.alloc(16, 0xff);
  section.writeUInt32LE(0x1a2b3c4d, 0);
  section.writeUInt32LE(1, 4);
  const parts = [block(0x0a0d0d0a, section)];
  const devices = new Map<string, number>();
  for (const frame of frames) {
    const key = `${frame.linktype} ${frame.interfaceName ?? ''}`;
    let device = devices.get(key);
    if (device === undefined) {
      device = devices.size;
      devices.set(key, device);
      parts.push(interfaceBlock(frame));
    }
    parts.push(packetBlock(frame, device));
  }
  return Buffer.concat(parts);
}
