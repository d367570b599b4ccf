/** Packets spoilt on purpose, in files that stay whole: header lengths, total lengths, protocols, extension headers, options, cuts; checksums often mended. */
import type { Frame } from '../../src/model/witness.ts';
import { Bytes, block, concat, describe_, enhanced, option, record, section } from '../capture/build.ts';
import type { Random } from '../cli/random.ts';
import { join } from './mutate.ts';

const LINKTYPES = [0, 1, 1, 1, 12, 14, 101, 101, 108, 113, 228, 229, 276, 127];
const BYTES = [
  0, 1, 2, 4, 5, 6, 8, 13, 14, 15, 16, 17, 20, 40, 41, 43, 44, 47, 50, 51, 58, 59, 60, 0x0f, 0x40, 0x44, 0x45, 0x46, 0x4f, 0x60,
  0x7f, 0x80, 0x86, 0xdd, 0xf0, 0xfe, 0xff,
];
/** Behind an IPv6 header: hop-by-hop, routing, fragment, authentication, destination options, with lengths that fit or do not. */
const EXTENSIONS = [0, 43, 44, 51, 60, 0, 60];

/** A frame of the corpus, changed. */
export function mutateFrame(frame: Frame, other: Frame, random: Random): Frame {
  let bytes = new Uint8Array(frame.bytes);
  let { linktype, wire } = frame;
  for (let times = random.below(4); times >= 0; times--) {
    switch (random.below(9)) {
      case 0:
        bytes = bytes.slice(0, random.below(random.pick([20, 60, 100, bytes.length + 1])));
        break;
      case 1:
        linktype = random.pick(LINKTYPES);
        break;
      case 2:
        bytes = tagged(bytes, random);
        break;
      case 3:
        bytes = extended(bytes, random);
        break;
      case 4:
        bytes = join(bytes.subarray(0, random.below(80)), other.bytes.subarray(random.below(60)));
        break;
      case 5:
        bytes = join(bytes, new Uint8Array(random.below(40)).fill(random.below(256)));
        break;
      case 6:
        wire = random.pick([0, 1, bytes.length, bytes.length + 4, 65_535, 0xffff_ffff]);
        break;
      default:
        poke(bytes, random);
    }
  }
  if (random.below(3) > 0) mend(bytes);
  const { direction: _, ...rest } = frame;
  const way = random.below(4);
  return { ...rest, bytes, linktype, wire, ...(way === 1 ? { direction: 'in' } : way === 2 ? { direction: 'out' } : {}) };
}

/** Some byte of the headers. */
function poke(bytes: Uint8Array, random: Random): void {
  if (bytes.length === 0) return;
  const at = random.below(Math.min(bytes.length, random.pick([24, 48, 80, 150])));
  bytes[at] =
    random.below(3) === 0 ? random.below(256) : random.below(2) === 0 ? random.pick(BYTES) : bytes[at]! ^ (1 << random.below(8));
}

/** VLAN tags, MPLS labels or PPPoE between an Ethernet header and what it carries. */
function tagged(bytes: Uint8Array<ArrayBuffer>, random: Random): Uint8Array<ArrayBuffer> {
  if (bytes.length < 14) return bytes;
  const six = bytes[12] === 0x86;
  const between = random.pick([
    [0x81, 0, 0, 5, ...bytes.subarray(12, 14)],
    [0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, ...bytes.subarray(12, 14)],
    [0x88, 0x47, 0, 0, 0x10, 64, 0, 0, 0x21, 64],
    [0x88, 0x47, 0, 0, 0x10, 64],
    [0x88, 0x64, 0x11, 0, 0, 1, random.below(2), random.below(256), 0, six ? 0x57 : 0x21],
  ]);
  return join(bytes.subarray(0, 12), Uint8Array.from(between), bytes.subarray(14));
}

/** IPv4 options or IPv6 extension headers put behind the IP header of an Ethernet frame. */
function extended(bytes: Uint8Array<ArrayBuffer>, random: Random): Uint8Array<ArrayBuffer> {
  const type = bytes.length < 54 ? 0 : bytes[12]! * 256 + bytes[13]!;
  const view = new DataView(bytes.buffer);
  if (type === 0x0800 && bytes[14] === 0x45) {
    const words = 1 + random.below(10);
    const options = Uint8Array.from({ length: words * 4 }, () =>
      random.pick([0, 1, 3, 4, 7, 68, 130, 131, 137, 148, random.below(256)]),
    );
    bytes[14] = 0x45 + words;
    view.setUint16(16, Math.min(65_535, view.getUint16(16) + words * 4));
    return join(bytes.subarray(0, 34), options, bytes.subarray(34));
  }
  if (type !== 0x86dd) return bytes;
  const next = bytes[20]!;
  bytes[20] = random.pick(EXTENSIONS);
  const units = random.below(4);
  const length = bytes[20] === 51 ? (units + 2) * 4 : (units + 1) * 8;
  const header = new Uint8Array(length);
  for (let at = 2; at < length; at++) header[at] = random.pick([0, 0, 1, 4, 5, 0xc2, random.below(256)]);
  header.set([next, random.below(4) === 0 ? random.below(256) : units]);
  view.setUint16(18, Math.min(65_535, view.getUint16(18) + length));
  return join(bytes.subarray(0, 54), header, bytes.subarray(54));
}

/** The checksum of an IPv4 header behind Ethernet made right, so that what lies behind it is looked at. */
function mend(bytes: Uint8Array<ArrayBuffer>): void {
  const header = ((bytes[14] ?? 0) & 15) * 4;
  if (bytes[12] !== 8 || bytes[13] !== 0 || header < 20 || bytes.length < 14 + header) return;
  const view = new DataView(bytes.buffer);
  view.setUint16(24, 0);
  let sum = 0;
  for (let at = 14; at < 14 + header; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(24, ~sum & 0xffff);
}

/** One frame as a pcap record, little-endian, microseconds. */
export function recordOf({ time, bytes, wire }: Frame): Uint8Array {
  return record(bytes, {
    seconds: Number((time / 1_000_000_000n) & 0xffff_ffffn),
    fraction: Number((time / 1000n) % 1_000_000n),
    wire,
  });
}

export { pcapHeader } from '../capture/build.ts';

/** The frames as a pcapng file: an interface for each link type, directions as flags, either byte order, blocks of no interest between. */
export function pcapngOf(frames: readonly Frame[], random: Random): Uint8Array<ArrayBuffer> {
  const little = random.below(2) === 0;
  const linktypes = [...new Set(frames.map(({ linktype }) => linktype))];
  const out = [
    section(little),
    ...linktypes.map((linktype) => describe_(linktype, { little, options: [option(2, Buffer.from('eth0'), little)] })),
  ];
  for (const { time, bytes, wire, linktype, direction } of frames) {
    const flags = direction === undefined ? [] : [option(2, new Bytes(little).u32(direction === 'in' ? 1 : 2).done(), little)];
    out.push(enhanced(bytes, { little, id: linktypes.indexOf(linktype), clock: time / 1000n, wire, options: flags }));
    if (random.below(20) === 0) out.push(block(0xbad, Uint8Array.of(1, 2, 3), { little }));
  }
  return new Uint8Array(concat(...out));
}
