/** The same connections in other clothes: captures of bench/traffic.ts as other protocols, at other links, in other files, and as a router sees them. */
import { fold, HEADERS, RECORD, SERVER_WORD, sum } from './traffic.ts';

const FILE_HEADER = 24;
const ETHERNET = 14;
const IP4 = 20;
const IP6 = 40;
/** Bytes of each packet that are looked at: both headers and a little data, and a longer IP header for them. */
const ROOM = 64;
const TCP = 6;
const UDP = 17;
const ICMP = 1;

/** One packet of the capture: its frame is written to `into` at `at`. Out: how long it is. */
type Cast = (frame: Uint8Array, into: DataView, at: number) => number;

/** Each frame as `cast` makes it; times stay. */
function recast(capture: Uint8Array, linktype: number, cast: Cast): Uint8Array {
  const from = new DataView(capture.buffer, capture.byteOffset, capture.length);
  const records: [at: number, length: number][] = [];
  for (let at = FILE_HEADER; at < capture.length; ) {
    const length = from.getUint32(at + 8, true);
    records.push([at, length]);
    at += RECORD + length;
  }
  const file = new Uint8Array(capture.length + records.length * ROOM);
  const view = new DataView(file.buffer);
  file.set(capture.subarray(0, FILE_HEADER));
  view.setUint32(20, linktype, true);
  let at = FILE_HEADER;
  for (const [record, length] of records) {
    file.set(capture.subarray(record, record + 8), at);
    const written = cast(capture.subarray(record + RECORD, record + RECORD + length), view, at + RECORD);
    view.setUint32(at + 8, written, true);
    view.setUint32(at + 12, written, true);
    at += RECORD + written;
  }
  return file.subarray(0, at);
}

function put(into: DataView, at: number, bytes: Uint8Array): void {
  new Uint8Array(into.buffer).set(bytes, at);
}

/** Both sums made again; the pseudo header's protocol and length are of what stands behind it. */
function sumAgain(view: DataView, ip: number, offset: number): void {
  view.setUint16(ip + 10, 0);
  view.setUint16(ip + 10, fold(sum(view, ip, IP4)));
  const length = view.getUint16(ip + 2) - IP4;
  const [transport, protocol] = [ip + IP4, view.getUint8(ip + 9)];
  view.setUint16(transport + offset, 0);
  const pseudo = protocol === ICMP ? 0 : sum(view, ip + 12, 8) + protocol + length;
  // Data are zeros, which add nothing.
  view.setUint16(transport + offset, fold(pseudo + sum(view, transport, Math.min(length, IP4) & ~1)));
}

/** A tag of VLAN 7 in every frame. */
export const tagged = (capture: Uint8Array): Uint8Array =>
  recast(capture, 1, (frame, into, at) => {
    put(into, at, frame.subarray(0, 12));
    into.setUint32(at + 12, 0x81000007);
    put(into, at + 16, frame.subarray(12));
    return frame.length + 4;
  });

/** As tcpdump -i any writes it: a header of LINKTYPE_LINUX_SLL2 with the number of the device and whether the packet came or went. */
export const cooked = (capture: Uint8Array, device: number): Uint8Array =>
  recast(capture, 276, (frame, into, at) => {
    const leaves = frame[5] === 1;
    into.setUint32(at, 0x08000000);
    into.setUint32(at + 4, device);
    into.setUint32(at + 8, 0x00010006 | (leaves ? 4 << 8 : 0));
    put(into, at + 12, frame.subarray(6, 12));
    into.setUint16(at + 10, ((leaves ? 4 : 0) << 8) | 6);
    put(into, at + 20, frame.subarray(ETHERNET));
    return frame.length + 6;
  });

/** Datagrams instead of segments, as QUIC's: no handshake, both sides send. */
export const datagrams = (capture: Uint8Array): Uint8Array =>
  recast(capture, 1, (frame, into, at) => {
    put(into, at, frame);
    const ip = at + ETHERNET;
    const length = frame.length - ETHERNET;
    into.setUint16(ip + 2, length);
    into.setUint8(ip + 9, UDP);
    new Uint8Array(into.buffer).fill(0, ip + IP4 + 4, ip + length);
    into.setUint16(ip + IP4 + 4, length - IP4);
    sumAgain(into, ip, 6);
    return frame.length;
  });

/** Echoes instead of segments: the client's port is the identifier, clients ask. */
export const echoes = (capture: Uint8Array): Uint8Array =>
  recast(capture, 1, (frame, into, at) => {
    const leaves = frame[5] === 1;
    put(into, at, frame);
    const ip = at + ETHERNET;
    const identifier = into.getUint16(ip + IP4 + (leaves ? 2 : 0));
    const length = frame.length - ETHERNET;
    into.setUint16(ip + 2, length);
    into.setUint8(ip + 9, ICMP);
    new Uint8Array(into.buffer).fill(0, ip + IP4, ip + length);
    into.setUint8(ip + IP4, leaves ? 0 : 8);
    into.setUint16(ip + IP4 + 4, identifier);
    sumAgain(into, ip, 2);
    return frame.length;
  });

export const SERVER6 = '2001:db8::a01:203';

/** Over IPv6: the four bytes of an address stand behind 2001:db8::. */
export const six = (capture: Uint8Array): Uint8Array =>
  recast(capture, 1, (frame, into, at) => {
    put(into, at, frame.subarray(0, 12));
    const old = new DataView(frame.buffer, frame.byteOffset + ETHERNET, frame.length - ETHERNET);
    const length = old.getUint16(2) - IP4;
    into.setUint16(at + 12, 0x86dd);
    const ip = at + ETHERNET;
    into.setUint32(ip, 0x60000000);
    into.setUint16(ip + 4, length);
    into.setUint16(ip + 6, (TCP << 8) | 64);
    for (const [to, from] of [
      [8, 12],
      [24, 16],
    ] as const) {
      into.setUint32(ip + to, 0x20010db8);
      into.setUint32(ip + to + 12, old.getUint32(from));
    }
    const tcp = ip + IP6;
    put(into, tcp, frame.subarray(ETHERNET + IP4, ETHERNET + IP4 + length));
    into.setUint16(tcp + 16, 0);
    into.setUint16(tcp + 16, fold(sum(into, ip + 8, 32) + TCP + length + sum(into, tcp, 20)));
    return HEADERS + 20 + Math.max(0, length - 20);
  });

/** Addresses as a router that translates has them: what is in `packet` (to the server, or from it) at an offset of the IP header becomes another. */
function translated(capture: Uint8Array, fromServer: boolean, offset: number, address: number): Uint8Array {
  return recast(capture, 1, (frame, into, at) => {
    put(into, at, frame);
    const ip = at + ETHERNET;
    if ((into.getUint32(ip + 12) === SERVER_WORD) !== fromServer) return frame.length;
    into.setUint32(ip + offset, address);
    sumAgain(into, ip, 16);
    return frame.length;
  });
}

/** Answers go to the router's address, which clients are hidden behind. */
export const masqueraded = (capture: Uint8Array, router: number): Uint8Array => translated(capture, true, 16, router);

/** Clients ask the router, which hands them on to the server. */
export const redirected = (capture: Uint8Array, router: number): Uint8Array => translated(capture, false, 16, router);

/** The same records as pcapng of one interface, in microseconds. */
export function asPcapng(capture: Uint8Array): Uint8Array {
  const from = new DataView(capture.buffer, capture.byteOffset, capture.length);
  const file = new Uint8Array(2 * capture.length + 64);
  const view = new DataView(file.buffer);
  const words = (at: number, ...values: number[]): number => {
    for (const [index, value] of values.entries()) view.setUint32(at + 4 * index, value, true);
    return at + 4 * values.length;
  };
  let to = words(0, 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28);
  to = words(to, 1, 20, from.getUint32(20, true), 65535, 20);
  for (let at = FILE_HEADER; at < capture.length; ) {
    const length = from.getUint32(at + 8, true);
    const time = BigInt(from.getUint32(at, true)) * 1_000_000n + BigInt(from.getUint32(at + 4, true));
    const block = 32 + ((length + 3) & ~3);
    words(to, 6, block, 0, Number(time >> 32n), Number(time & 0xffffffffn), length, length);
    file.set(capture.subarray(at + RECORD, at + RECORD + length), to + 28);
    to = words(to + block - 4, block);
    at += RECORD + length;
  }
  return file.subarray(0, to);
}
