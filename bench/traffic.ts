/** Traffic to measure with: TCP flows to one host, 60 captured bytes a packet (64 on the wire with FCS), right checksums and sequence numbers. */

export const SERVER = '10.1.2.3';

const SERVER_WORD = 0x0a010203;
const PORTS = [22, 80, 443, 25, 993, 53];
const FRAME = 60;
const RECORD = 16 + FRAME;

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

interface Flow {
  client: number;
  port: number;
  service: number;
  step: number;
  clientSequence: number;
  serverSequence: number;
}

/** A pcap file of `packets` packets over `flows` flows that take turns at random, 10 us apart. */
export function tcpTraffic(packets: number, flows: number, seed = 1): Uint8Array {
  const next = random(seed);
  const all: Flow[] = Array.from({ length: flows }, (_, index) => ({
    client: (0x0b000000 + (index >>> 4)) >>> 0,
    port: 1024 + (index & 15) * 4000 + (next() % 4000),
    service: PORTS[index % PORTS.length]!,
    step: 0,
    clientSequence: next(),
    serverSequence: next(),
  }));
  const file = new Uint8Array(24 + packets * RECORD);
  const view = new DataView(file.buffer);
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 65535, true);
  view.setUint32(20, 1, true);
  for (let index = 0; index < packets; index++) {
    const at = 24 + index * RECORD;
    view.setUint32(at, 1_700_000_000 + Math.floor(index / 100_000), true);
    view.setUint32(at + 4, (index % 100_000) * 10, true);
    view.setUint32(at + 8, FRAME, true);
    view.setUint32(at + 12, FRAME, true);
    // The first packets open every flow once, then they take turns.
    const flow = all[index < flows ? index : next() % flows]!;
    writePacket(view, at + 16, flow);
  }
  return file;
}

/** The next packet of a flow: handshake, then a byte of data from the client and its acknowledgement in turns. */
function writePacket(view: DataView, at: number, flow: Flow): void {
  const { step } = flow;
  const fromClient = step === 0 || (step >= 2 && step % 2 === 0);
  const flags = step === 0 ? SYN : step === 1 ? SYN | ACK : fromClient && step > 2 ? PSH_ACK : ACK;
  const data = flags === PSH_ACK ? 1 : 0;
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
}

function writeHeaders(view: DataView, at: number, flow: Flow, fromClient: boolean, data: number): void {
  const own = [0x0200, 0x0000, 0x0002];
  const other = [0x0200, 0x0000, 0x0001];
  for (const [index, word] of (fromClient ? [...own, ...other] : [...other, ...own]).entries())
    view.setUint16(at + index * 2, word);
  view.setUint16(at + 12, 0x0800);
  const ip = at + 14;
  view.setUint8(ip, 0x45);
  view.setUint16(ip + 2, 40 + data);
  view.setUint16(ip + 6, 0x4000);
  view.setUint8(ip + 8, 64);
  view.setUint8(ip + 9, 6);
  view.setUint32(ip + 12, fromClient ? flow.client : SERVER_WORD);
  view.setUint32(ip + 16, fromClient ? SERVER_WORD : flow.client);
  view.setUint16(ip + 10, fold(sum(view, ip, 20)));
  view.setUint16(ip + 20, fromClient ? flow.port : flow.service);
  view.setUint16(ip + 22, fromClient ? flow.service : flow.port);
}

function sum(view: DataView, at: number, length: number): number {
  let total = 0;
  for (let index = 0; index + 1 < length; index += 2) total += view.getUint16(at + index);
  return length % 2 === 1 ? total + (view.getUint8(at + length - 1) << 8) : total;
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

/** Over the pseudo header: both addresses stand right before the transport header. */
function transportChecksum(view: DataView, tcp: number, length: number): number {
  return fold(sum(view, tcp - 8, 8) + 6 + length + sum(view, tcp, length));
}
