/** Traffic to measure with: TCP flows to one host, right checksums and sequence numbers; usually 60 captured bytes a packet (64 on the wire with FCS). */

export const SERVER = '10.1.2.3';

export const SERVER_WORD = 0x0a010203;
const PORTS = [22, 80, 443, 25, 993, 53];
/** Captured bytes of the smallest frame, and of its headers. */
const FRAME = 60;
export const HEADERS = 54;
export const RECORD = 16;
const TCP = 6;
const UDP = 17;

const SYN = 2;
const PSH_ACK = 0x18;
const ACK = 0x10;

/** A small generator of numbers that is the same everywhere (xorshift32). */
export function random(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** A connection's ends; the service is the server's. */
export interface Ends {
  client: number;
  port: number;
  service: number;
}

interface Flow extends Ends {
  step: number;
  clientSequence: number;
  serverSequence: number;
}

/** Ends of `flows` flows, no two alike. */
export function usualEnds(flows: number, next: () => number): Ends[] {
  return Array.from({ length: flows }, (_, index) => ({
    client: (0x0b000000 + (index >>> 4)) >>> 0,
    port: 1024 + (index & 15) * 4000 + (next() % 4000),
    service: PORTS[index % PORTS.length]!,
  }));
}

/** Where a datagram comes from and goes to. */
export interface Datagram {
  source: number;
  destination: number;
  sport: number;
  dport: number;
}

/** A pcap file of `packets` datagrams without checksums, 10 us apart: every one of `ends` in turns. */
export function udpTraffic(packets: number, ends: readonly Datagram[]): Uint8Array {
  const file = new Uint8Array(24 + packets * (RECORD + FRAME));
  const view = new DataView(file.buffer);
  writeFileHeader(view);
  for (let index = 0; index < packets; index++) {
    const at = 24 + index * (RECORD + FRAME);
    const { source, destination, sport, dport } = ends[index % ends.length]!;
    writeRecordHeader(view, at, index, FRAME);
    const frame = at + RECORD;
    writeLinkHeader(view, frame, true);
    writeIpHeader(view, frame + 14, FRAME - 14, UDP, source, destination);
    view.setUint16(frame + 34, sport);
    view.setUint16(frame + 36, dport);
    view.setUint16(frame + 38, FRAME - 34);
  }
  return file;
}

/** A pcap file of `packets` packets over flows (or as many as `flows` says) that take turns at random, 10 us apart. `data`: bytes of every segment that has some. */
export function tcpTraffic(packets: number, flows: number | readonly Ends[], data = 1): Uint8Array {
  const next = random(1);
  const ends = typeof flows === 'number' ? usualEnds(flows, next) : flows;
  const all: Flow[] = ends.map((each) => ({ ...each, step: 0, clientSequence: next(), serverSequence: next() }));
  const file = new Uint8Array(24 + packets * (RECORD + Math.max(FRAME, HEADERS + data)));
  const view = new DataView(file.buffer);
  writeFileHeader(view);
  let at = 24;
  for (let index = 0; index < packets; index++) {
    // The first packets open every flow once, then they take turns.
    const flow = all[index < all.length ? index : next() % all.length]!;
    const captured = Math.max(FRAME, HEADERS + writePacket(view, at + RECORD, flow, data));
    writeRecordHeader(view, at, index, captured);
    at += RECORD + captured;
  }
  return file.subarray(0, at);
}

function writeFileHeader(view: DataView): void {
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 65535, true);
  view.setUint32(20, 1, true);
}

/** Of packet number `index`. */
function writeRecordHeader(view: DataView, at: number, index: number, captured: number): void {
  view.setUint32(at, 1_700_000_000 + Math.floor(index / 100_000), true);
  view.setUint32(at + 4, (index % 100_000) * 10, true);
  view.setUint32(at + 8, captured, true);
  view.setUint32(at + 12, captured, true);
}

/** The next packet of a flow: handshake, then data (zeros) from the client and its acknowledgement in turns. Out: bytes of data. */
function writePacket(view: DataView, at: number, flow: Flow, most: number): number {
  const { step } = flow;
  const fromClient = step === 0 || (step >= 2 && step % 2 === 0);
  const flags = step === 0 ? SYN : step === 1 ? SYN | ACK : fromClient && step > 2 ? PSH_ACK : ACK;
  const data = flags === PSH_ACK ? most : 0;
  writeHeaders(view, at, flow, fromClient, data);
  const tcp = at + 34;
  const [sequence, acknowledged] = fromClient
    ? [flow.clientSequence, flow.serverSequence]
    : [flow.serverSequence, flow.clientSequence];
  view.setUint32(tcp + 4, sequence);
  view.setUint32(tcp + 8, step === 0 ? 0 : acknowledged);
  view.setUint8(tcp + 12, 0x50);
  view.setUint8(tcp + 13, flags);
  view.setUint16(tcp + 14, 65535);
  view.setUint16(tcp + 16, transportChecksum(view, tcp, 20 + data));
  const length = data + (flags & SYN ? 1 : 0);
  if (fromClient) flow.clientSequence = (flow.clientSequence + length) >>> 0;
  else flow.serverSequence = (flow.serverSequence + length) >>> 0;
  flow.step++;
  return data;
}

function writeHeaders(view: DataView, at: number, flow: Flow, fromClient: boolean, data: number): void {
  writeLinkHeader(view, at, fromClient);
  const [source, destination] = fromClient ? [flow.client, SERVER_WORD] : [SERVER_WORD, flow.client];
  const ip = at + 14;
  writeIpHeader(view, ip, 40 + data, TCP, source, destination);
  view.setUint16(ip + 20, fromClient ? flow.port : flow.service);
  view.setUint16(ip + 22, fromClient ? flow.service : flow.port);
}

function writeLinkHeader(view: DataView, at: number, fromClient: boolean): void {
  const own = [0x0200, 0x0000, 0x0002];
  const other = [0x0200, 0x0000, 0x0001];
  for (const [index, word] of (fromClient ? [...own, ...other] : [...other, ...own]).entries())
    view.setUint16(at + index * 2, word);
  view.setUint16(at + 12, 0x0800);
}

function writeIpHeader(view: DataView, ip: number, length: number, protocol: number, source: number, destination: number): void {
  view.setUint8(ip, 0x45);
  view.setUint16(ip + 2, length);
  view.setUint16(ip + 6, 0x4000);
  view.setUint8(ip + 8, 64);
  view.setUint8(ip + 9, protocol);
  view.setUint32(ip + 12, source);
  view.setUint32(ip + 16, destination);
  view.setUint16(ip + 10, fold(sum(view, ip, 20)));
}

/** Of an even number of bytes. */
export function sum(view: DataView, at: number, length: number): number {
  let total = 0;
  for (let index = 0; index < length; index += 2) total += view.getUint16(at + index);
  return total;
}

/** An internet checksum of such a sum. */
export function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

/** Over the pseudo header: both addresses stand right before the transport header. Data are zeros, which add nothing. */
function transportChecksum(view: DataView, tcp: number, length: number): number {
  return fold(sum(view, tcp - 8, 8) + 6 + length + sum(view, tcp, 20));
}
