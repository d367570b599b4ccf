/** Captures of plain segments of which every few are unusual, in each way that a plain one is told by (assembly/packet/segment.ts). */
import { tcpTraffic } from '../../../bench/traffic.ts';
import { buildHost } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { ascii, description, enhanced, joined, section } from '../front/files.ts';

/** How many packets and connections such a capture has, but for those that come again. */
export const [PACKETS, FLOWS] = [3000, 40];
const [FILE_HEADER, RECORD, IP, TCP, DATA] = [24, 16, 14, 34, 54];
const BEGIN = 1_700_000_000n;
const USER0 = 147;

export type Draw = (below: number) => number;

const sumOf = (frame: DataView, at: number, bytes: number): number =>
  Array.from({ length: bytes >> 1 }, (_, word) => frame.getUint16(at + 2 * word)).reduce((sum, word) => sum + word, 0) +
  (bytes % 2 === 1 ? frame.getUint8(at + bytes - 1) << 8 : 0);

const folded = (sum: number): number => ~(sum % 0xffff) & 0xffff;

/** Both checksums made again, of as many bytes as there are. */
function summed(frame: DataView): void {
  frame.setUint16(IP + 10, 0);
  frame.setUint16(IP + 10, folded(sumOf(frame, IP, 20)));
  const length = Math.max(0, Math.min(frame.getUint16(IP + 2), frame.byteLength - IP) - 20);
  frame.setUint16(TCP + 16, 0);
  frame.setUint16(TCP + 16, folded(sumOf(frame, IP + 12, 8) + 6 + length + sumOf(frame, TCP, length)));
}

/** What can be unusual about a segment, before its sums are made. */
const CHANGES: ((frame: DataView, draw: Draw) => void)[] = [
  (frame, draw) => frame.setUint8(IP + 8, 1 + draw(3)),
  (frame, draw) => frame.setUint8(TCP + 13, [0x18, 0x10, 0x30, 0x11, 0x14, 0x02, 0x12, 0x00, 0x38][draw(9)]!),
  (frame, draw) => frame.setUint16(TCP + 14, draw(2)),
  (frame, draw) => frame.setUint32(TCP + 4, frame.getUint32(TCP + 4) + [70_000, -70_000, 1, -1, 65_534][draw(5)]!),
  (frame, draw) => frame.setUint32(TCP + 8, frame.getUint32(TCP + 8) + [70_000, -70_000, 1, -1, -66_001][draw(5)]!),
  (frame, draw) => frame.setUint8(TCP + 12, [0x40, 0x60, 0x50, 0xf0][draw(4)]!),
  (frame, draw) => frame.setUint16(IP + 2, [46, 41, 40, 39, 36, 20, 19, 47, 200][draw(9)]!),
  (frame, draw) => frame.setUint16(IP + 6, [0x2000, 1, 0x4000, 0x8000, 0][draw(5)]!),
  (frame, draw) => frame.setUint8(IP, [0x45, 0x46, 0x44, 0x65][draw(4)]!),
  (frame, draw) => frame.setUint8(IP + 9, [6, 17, 1][draw(3)]!),
  (frame, draw) => frame.setUint16(12, [0x86dd, 0x8100, 0x0800][draw(3)]!),
  (frame, draw) => {
    const [high, low] = (
      [
        [0xffffffff, 0xffff],
        [0x01005e00, 1],
        [0x02000001, 2],
      ] as const
    )[draw(3)]!;
    frame.setUint32(0, high);
    frame.setUint16(4, low);
  },
];
/** And behind them. */
const SPOILED: ((frame: DataView, draw: Draw) => void)[] = [
  (frame) => frame.setUint16(IP + 10, frame.getUint16(IP + 10) ^ 0x100),
  (frame) => frame.setUint16(TCP + 16, frame.getUint16(TCP + 16) ^ 1),
  (frame) => frame.setUint8(DATA, 1),
  (frame) => frame.setUint8(frame.byteLength - 1, 0x55),
];

export interface Packet {
  microseconds: bigint;
  frame: Uint8Array;
  /** Bytes on the wire. */
  wire: number;
}

/** What Linux sends with every segment, and what is nearly the same; of a SYN, that SACK blocks may come. */
const STAMP = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
const OTHERS = [
  [1, 1, 5, 10, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff],
  [8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1],
  [1, 1, 8, 9, 0, 0, 0, 1, 0, 0, 0, 2],
  [1, 1, 8, 10],
  [0, 0, 0, 0],
];
const SACK_PERMITTED = [4, 2, ...STAMP.slice(2)];

/** The same with options behind its header, its sums not made again. */
function withOptions(bytes: Uint8Array, draw: Draw): Uint8Array {
  const total = new DataView(bytes.buffer).getUint16(IP + 2);
  const syn = (bytes[TCP + 13]! & 2) !== 0;
  const options = syn ? SACK_PERMITTED : draw(12) === 0 ? OTHERS[draw(OTHERS.length)]! : STAMP;
  const longer = Uint8Array.from([...bytes.subarray(0, DATA), ...options, ...bytes.subarray(DATA, IP + total)]);
  const frame = new DataView(longer.buffer);
  frame.setUint16(IP + 2, total + options.length);
  frame.setUint8(TCP + 12, (5 + options.length / 4) << 4);
  return longer;
}

/** Of a flow: how much the server has sent, and how much of that the client has acknowledged. */
type Answers = Map<number, { sent: number; seen: number }>;

/** The same where the server sends as well (in the traffic only clients do), and not every segment of a client acknowledges all of it. */
function withAnswers(bytes: Uint8Array, answers: Answers, draw: Draw): Uint8Array {
  const [total, sport, dport] = [IP + 2, TCP, TCP + 2].map((at) => new DataView(bytes.buffer).getUint16(at)) as [
    number,
    number,
    number,
  ];
  const fromServer = sport < dport;
  const flow = bytes[IP + (fromServer ? 19 : 15)]! * 0x10000 + Math.max(sport, dport);
  const known = answers.get(flow) ?? { sent: 0, seen: 0 };
  answers.set(flow, known);
  const data = fromServer && (bytes[TCP + 13]! & 2) === 0 ? draw(4) * draw(20) : 0;
  const longer = Uint8Array.from([
    ...bytes.subarray(0, IP + total),
    ...Array.from({ length: data }, () => draw(256)),
    ...new Uint8Array(6),
  ]);
  const frame = new DataView(longer.buffer);
  frame.setUint16(IP + 2, total + data);
  if (fromServer) {
    frame.setUint32(TCP + 4, frame.getUint32(TCP + 4) + known.sent);
    known.sent += data;
  } else if ((bytes[TCP + 13]! & 2) === 0) {
    if (draw(3) > 0) known.seen = known.sent;
    frame.setUint32(TCP + 8, frame.getUint32(TCP + 8) + known.seen);
  }
  summed(frame);
  return longer;
}

/** Traffic of which every few packets are changed, come twice, are cut, or are late; long breaks in between. `data`: bytes of every segment that has some; `stamped`: segments have options; `answered`: both sides send; `often`: some come six times. */
export function packetsOf(draw: Draw, data: number, stamped: boolean, answered = false, often = true): Packet[] {
  const capture = tcpTraffic(PACKETS, FLOWS, data);
  const records = new DataView(capture.buffer, capture.byteOffset);
  const packets: Packet[] = [];
  const answers: Answers = new Map();
  let clock = 0n;
  for (let at = FILE_HEADER; at < capture.length; at += RECORD + records.getUint32(at + 8, true)) {
    const usual = capture.slice(at + RECORD, at + RECORD + records.getUint32(at + 8, true));
    const plain = answered ? withAnswers(usual, answers, draw) : usual;
    const bytes = stamped ? withOptions(plain, draw) : plain;
    const frame = new DataView(bytes.buffer);
    if (stamped) summed(frame);
    if (draw(6) === 0) {
      CHANGES[draw(CHANGES.length)]!(frame, draw);
      summed(frame);
      if (draw(4) === 0) SPOILED[draw(SPOILED.length)]!(frame, draw);
    }
    clock += BigInt(draw(300) === 0 ? 70_000_000 * draw(8) : draw(2000));
    const late = draw(40) === 0 ? BigInt(draw(9000)) : 0n;
    packets.push({
      microseconds: clock > late ? clock - late : clock,
      frame: draw(60) === 0 ? bytes.subarray(0, 30 + draw(30)) : bytes,
      wire: bytes.length,
    });
    // The fourth in a row is one retransmission too many.
    for (let more = draw(20) > 0 ? 0 : !often || draw(9) > 0 ? 1 : 5; more > 0; more--) packets.push(packets.at(-1)!);
  }
  return packets;
}

export function asPcap(packets: readonly Packet[]): Uint8Array {
  const header = tcpTraffic(0, 1);
  const records = packets.map(({ microseconds, frame, wire }) => {
    const record = new Uint8Array(RECORD + frame.length);
    const view = new DataView(record.buffer);
    view.setUint32(0, Number(BEGIN + microseconds / 1_000_000n), true);
    view.setUint32(4, Number(microseconds % 1_000_000n), true);
    view.setUint32(8, frame.length, true);
    view.setUint32(12, wire, true);
    record.set(frame, RECORD);
    return record;
  });
  return Buffer.concat([header, ...records]);
}

/** Where packets were captured is drawn: packets of one connection come and go by two devices, and without a name. `links`: and over one that is not Ethernet. */
export function asPcapng(packets: readonly Packet[], draw: Draw, links = true): Uint8Array {
  const device = (name: string): Uint8Array => description(false, 1, 65535, [[2, ascii(name)]]);
  const blocks = packets.map(({ microseconds, frame, wire }) =>
    enhanced(false, {
      interface: draw(8) === 0 ? 1 + draw(links ? 3 : 2) : 0,
      units: BEGIN * 1_000_000n + microseconds,
      data: [...frame],
      wire,
      options: draw(8) === 0 ? [[2, [draw(3), 0, 0, 0]]] : [],
    }),
  );
  // The last one's frames are none of Ethernet, whatever they look like.
  const others = [description(false, 1, 65535), description(false, USER0, 65535)];
  return joined(section(false), device('eth0'), device('eth1'), ...others, ...blocks);
}

/** Frames of a plain pcap file. */
export function framesOf(capture: Uint8Array): Uint8Array[] {
  const view = new DataView(capture.buffer, capture.byteOffset);
  const frames: Uint8Array[] = [];
  for (let at = FILE_HEADER; at < capture.length; at += RECORD + view.getUint32(at + 8, true))
    frames.push(capture.slice(at + RECORD, at + RECORD + view.getUint32(at + 8, true)));
  return frames;
}

/** A job that asks for the time in nanoseconds (limit of nft) wherever a connection begins. */
export const LATE: Job = {
  rules: {
    4: parseSave(
      '*filter\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A INPUT -m limit --limit 100/sec --limit-burst 1\nCOMMIT\n',
      { file: 'rules', family: 4 },
    ),
  },
  host: buildHost({ local: ['10.1.2.3'], in: 'eth0' }),
  profile: { ...DEFAULT_PROFILE, backend: 'nft' },
};

/** Plain segments, a millisecond each, behind every six of which a connection begins. Of thirty, one is ahead of all that come in them: the limit meets ten milliseconds once in that time, and three times by the clock of the segments alone. */
export function lateSegments(): Uint8Array {
  const begins = framesOf(tcpTraffic(200, 200)).slice(50);
  const packets: Packet[] = [];
  for (const [index, frame] of framesOf(tcpTraffic(600, 2)).entries()) {
    const put = (bytes: Uint8Array, ahead: number): void => {
      packets.push({ microseconds: BigInt(index * 1000 + ahead), frame: bytes, wire: bytes.length });
    };
    put(frame, index % 30 === 3 ? 25_000 : 0);
    if (index % 6 === 5) put(begins[(index / 6) | 0]!, 0);
  }
  return asPcap(packets);
}
