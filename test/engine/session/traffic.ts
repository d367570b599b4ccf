/** Captures made in memory: TCP connections of 64-byte packets between clients and one server, in pcap (micro, little-endian). */

const RECORD = 16;
const ETHERNET = 14;

export interface TrafficOptions {
  packets: number;
  flows: number;
  /** Ports of the server that clients ask for. */
  ports: readonly number[];
  /** IP bytes of each packet, 40 or more. */
  length: number;
  /** The server's address. */
  server: number;
}

/** Each flow is a handshake, then data back and forth; flows take turns. */
export function tcpTraffic({ packets, flows, ports, length, server }: TrafficOptions): Uint8Array {
  const bytes = new Uint8Array(24 + packets * (RECORD + ETHERNET + length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 262144, true);
  view.setUint32(20, 1, true);
  const sequences = new Uint32Array(flows * 2);
  let at = 24;
  for (let packet = 0; packet < packets; packet++) {
    const flow = packet % flows;
    const turn = Math.floor(packet / flows);
    at = putPacket(view, at, packet, flow, turn, sequences, { packets, flows, ports, length, server });
  }
  return bytes;
}

const SYN = 2;
const ACK = 16;
const PUSH = 8;

function putPacket(
  view: DataView,
  start: number,
  packet: number,
  flow: number,
  turn: number,
  sequences: Uint32Array,
  { ports, length, server }: TrafficOptions,
): number {
  const reply = turn === 1 || (turn > 2 && turn % 2 === 0);
  const flags = turn === 0 ? SYN : turn === 1 ? SYN | ACK : turn === 2 ? ACK : ACK | PUSH;
  view.setUint32(start, 1_700_000_000 + Math.floor(packet / 100_000), true);
  view.setUint32(start + 4, (packet % 100_000) * 10, true);
  view.setUint32(start + 8, ETHERNET + length, true);
  view.setUint32(start + 12, ETHERNET + length, true);
  const frame = start + RECORD;
  view.setUint32(frame, 0x02000000 + (reply ? 1 : 2), false);
  view.setUint32(frame + 6, 0x02000000 + (reply ? 2 : 1), false);
  view.setUint16(frame + 12, 0x0800, false);
  const ip = frame + ETHERNET;
  const client = (0x0a000000 + Math.floor(flow / 50_000) * 65536 + (flow % 50_000) + 256) >>> 0;
  view.setUint16(ip, 0x4500, false);
  view.setUint16(ip + 2, length, false);
  view.setUint16(ip + 4, packet & 0xffff, false);
  view.setUint16(ip + 8, 0x4006, false);
  view.setUint32(ip + 12, reply ? server : client, false);
  view.setUint32(ip + 16, reply ? client : server, false);
  view.setUint16(ip + 10, checksum(view, ip, 20, 0), false);
  const tcp = ip + 20;
  const port = ports[flow % ports.length]!;
  const own = 1024 + (flow % 60_000);
  view.setUint16(tcp, reply ? port : own, false);
  view.setUint16(tcp + 2, reply ? own : port, false);
  const side = flow * 2 + (reply ? 1 : 0);
  view.setUint32(tcp + 4, sequences[side]!, false);
  view.setUint32(tcp + 8, turn === 0 ? 0 : sequences[flow * 2 + (reply ? 0 : 1)]!, false);
  view.setUint8(tcp + 12, 0x50);
  view.setUint8(tcp + 13, flags);
  view.setUint16(tcp + 14, 65535, false);
  const payload = length - 40;
  sequences[side]! += (flags & SYN) !== 0 ? 1 : turn > 2 ? payload : 0;
  // The handshake's packets are padded with bytes that are no data only when there is none to pad; so they carry none.
  const pseudo = sumOf(view, ip + 12, 8) + 6 + (length - 20);
  view.setUint16(tcp + 16, checksum(view, tcp, length - 20, pseudo), false);
  return frame + ETHERNET + length;
}

function sumOf(view: DataView, at: number, bytes: number): number {
  let sum = 0;
  for (let offset = 0; offset + 1 < bytes; offset += 2) sum += view.getUint16(at + offset, false);
  return bytes % 2 === 1 ? sum + view.getUint8(at + bytes - 1) * 256 : sum;
}

function checksum(view: DataView, at: number, bytes: number, start: number): number {
  let sum = start + sumOf(view, at, bytes);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
