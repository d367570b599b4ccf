/** Fragment storms: whole packets cut into pieces, the pieces reordered, doubled, overlapped, lost and spoiled in every way. One seed, one storm. */

import type { Draw } from '../../src/extensions/extension.ts';
import { fillChecksum, type IpFields, icmpMessage, ipPacket, tcpSegment, udpDatagram } from '../../src/fuzz/build-packet.ts';
import { seededDraw } from '../../src/fuzz/draw.ts';
import { type HeaderChain, NO_CHAIN } from '../../src/fuzz/headers.ts';
import type { Family } from '../../src/model/ruleset.ts';

const ADDRESSES: Record<Family, readonly [string, string, string]> = {
  4: ['10.9.0.1', '10.9.0.2', '10.9.0.3'],
  6: ['2001:db8:9::1', '2001:db8:9::2', '2001:db8:9::3'],
};
/** The firewall's own address when it is a host. */
export const OWN = { 4: ADDRESSES[4][0], 6: ADDRESSES[6][0] } as const;

export interface StormPacket {
  bytes: Uint8Array;
  direction: 'in' | 'out';
}

const no = new Uint8Array(0);

/** A datagram: UDP, TCP or ICMP between two of three hosts, up to `most` bytes of data. */
function datagram(draw: Draw, family: Family, forward: boolean): { fields: IpFields; payload: Uint8Array } {
  const [own, ...others] = ADDRESSES[family];
  const from = forward ? draw.pick([others[0]!, others[1]!]) : draw.pick([own, others[0]!, others[1]!]);
  const to = forward ? others.find((address) => address !== from)! : from === own ? draw.pick(others) : own;
  const icmp = family === 4 ? 1 : 58;
  const protocol = draw.pick([17, 17, 6, icmp]);
  const fields: IpFields = {
    family,
    source: from,
    destination: to,
    protocol,
    ttl: draw.pick([64, 64, 2, 1]),
    tos: draw.pick([0, 0, 0, 0x10]),
    id: draw.pick([7, 8, 9]),
    fragment: 0,
    options: family === 4 && draw.chance(0.1) ? new Uint8Array([1, 1, 1, 0]) : no,
    lengthOff: 0,
    badChecksum: false,
  };
  const size = draw.pick([0, 8, 20, 60, 200, 1400, 3000, draw.integer(1, 4000)]);
  const port = draw.pick([53, 80, 4000]);
  if (protocol === 17) {
    const payload = udpDatagram(port, 53, size);
    fillChecksum(payload, 6, fields);
    return { fields, payload };
  }
  if (protocol === 6) {
    const flags = draw.pick([2, 16, 24, 17, 4]);
    const payload = tcpSegment({
      sourcePort: port,
      destinationPort: 80,
      sequence: 1,
      acknowledged: 1,
      flags,
      window: 1000,
      options: no,
      data: size,
    });
    fillChecksum(payload, 16, fields);
    return { fields, payload };
  }
  const payload = icmpMessage(family === 4 ? draw.pick([8, 0]) : draw.pick([128, 129]), 0, 77, new Uint8Array(size));
  fillChecksum(payload, 2, fields);
  return { fields, payload };
}

interface Piece {
  offset: number;
  data: Uint8Array;
  more: boolean;
}

function cut(draw: Draw, payload: Uint8Array): Piece[] {
  const pieces: Piece[] = [];
  const step = draw.pick([8, 16, 64, 512, 1400]);
  for (let at = 0; at < payload.length || at === 0; ) {
    const length = payload.length / step > 24 ? 1024 : Math.max(8, (draw.integer(1, step) + 7) & ~7);
    const end = Math.min(payload.length, at + length);
    pieces.push({ offset: at, data: payload.subarray(at, end), more: end < payload.length });
    at = end;
    if (at === 0) break;
  }
  return pieces;
}

/** Wrong in one way or another. */
function spoil(draw: Draw, pieces: Piece[]): void {
  const index = draw.integer(0, pieces.length - 1);
  const piece = pieces[index]!;
  switch (draw.integer(0, 8)) {
    case 0:
      pieces.splice(draw.integer(0, pieces.length), 0, { ...piece });
      break;
    case 1:
      piece.offset = Math.max(0, piece.offset + draw.pick([-16, -8, 8, 16]));
      break;
    case 2:
      pieces.splice(index, 1);
      break;
    case 3:
      piece.more = !piece.more;
      break;
    case 4:
      piece.data = piece.data.subarray(0, Math.max(0, piece.data.length - draw.integer(1, 9)));
      break;
    case 5:
      pieces.splice(index, 0, { offset: piece.offset, data: piece.data.subarray(0, 8), more: true });
      break;
    case 6:
      piece.offset = draw.pick([65528, 65520, 65000]);
      break;
    case 7:
      pieces.push({ offset: 0, data: new Uint8Array(draw.pick([0, 8, 24])), more: draw.chance() });
      break;
    default:
      piece.data = Uint8Array.from([...piece.data, ...new Uint8Array(draw.pick([1, 8, 16]))]);
  }
}

/** Extension headers that stand before the fragment header: none, mostly. */
function headers(draw: Draw): HeaderChain {
  if (!draw.chance(0.25)) return NO_CHAIN;
  const one = (first: number, ...bytes: number[]): HeaderChain => ({ first, last: 0, bytes: Uint8Array.from(bytes) });
  return draw.pick([
    one(60, 0, 0, 1, 4, 0, 0, 0, 0),
    one(0, 0, 0, 1, 4, 0, 0, 0, 0),
    one(60, 0, 1, 1, 12, ...new Array<number>(12).fill(0)),
    one(51, 0, 1, ...new Array<number>(10).fill(0)),
  ]);
}

function wire(draw: Draw, fields: IpFields, { offset, data, more }: Piece): Uint8Array {
  const six = fields.family === 6;
  // An offset of 0 without more makes ipPacket put in no IPv6 fragment header: the reserved bits ask for one.
  const fragment = six ? (offset & ~7) | (more ? 1 : 0) | (draw.chance(0.9) ? 0 : 6) : (offset >> 3) | (more ? 0x2000 : 0);
  const ecn = draw.chance(0.04) ? draw.integer(0, 3) : 0;
  const free = !six && draw.chance(0.1) ? 0x4000 : 0;
  return ipPacket({ ...fields, tos: fields.tos | ecn, fragment: fragment | free }, data);
}

/** The packets of a seed, in the order they are sent. */
export function storm(seed: number, family: Family, forward: boolean, datagrams: number): StormPacket[] {
  const draw = seededDraw(seed);
  const out: StormPacket[] = [];
  let pending: StormPacket[] = [];
  for (let count = 0; count < datagrams; count++) {
    const { fields, payload } = datagram(draw, family, forward);
    const pieces = cut(draw, payload);
    for (let times = draw.pick([0, 0, 1, 1, 2]); times > 0 && pieces.length > 0; times--) spoil(draw, pieces);
    if (draw.chance(0.4)) pieces.sort(() => (draw.chance() ? 1 : -1));
    const all = family === 6 ? { ...fields, chain: headers(draw) } : fields;
    const direction = !forward && fields.source === OWN[family] ? 'out' : 'in';
    pending.push(...pieces.map((piece) => ({ bytes: wire(draw, all, piece), direction }) as const));
    // Two datagrams at a time get mixed now and then.
    if (draw.chance(0.3)) continue;
    if (draw.chance(0.3)) pending.sort(() => (draw.chance() ? 1 : -1));
    out.push(...pending);
    pending = [];
  }
  return [...out, ...pending];
}
