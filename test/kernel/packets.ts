/** A few hand-made packets for the oracle's own tests: IP header on, correct checksums unless told otherwise. */

function sum(parts: Uint8Array[]): number {
  const all = Buffer.concat(parts);
  let total = 0;
  for (let i = 0; i < all.length; i += 2) total += ((all[i] ?? 0) << 8) | (all[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

function address(text: string): Buffer {
  if (!text.includes(':')) return Buffer.from(text.split('.').map(Number));
  const [head = '', tail = ''] = text.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((g) => Number.parseInt(g, 16)));
  const [left, right] = [groups(head), groups(tail)];
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Buffer.from(all.flatMap((g) => [g >> 8, g & 255]));
}

/** An IP packet around a layer-4 payload; the checksum at `sumAt` of the payload is filled in (pass -1 for none). */
export function ip(
  source: string,
  destination: string,
  protocol: number,
  payload: Buffer,
  sumAt: number,
  more: { ttl?: number; fragment?: number } = {},
): Uint8Array {
  const six = source.includes(':');
  const [src, dst] = [address(source), address(destination)];
  const body = Buffer.from(payload);
  if (sumAt >= 0) {
    const pseudo = Buffer.concat([src, dst, Buffer.from([0, protocol, body.length >> 8, body.length & 255])]);
    body.writeUInt16BE(sum(protocol === 1 ? [body] : [pseudo, Buffer.concat([body, Buffer.alloc(body.length & 1)])]), sumAt);
  }
  const ttl = more.ttl ?? 64;
  if (six)
    return Buffer.concat([Buffer.from([0x60, 0, 0, 0, body.length >> 8, body.length & 255, protocol, ttl]), src, dst, body]);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0x4500, 0);
  head.writeUInt16BE(20 + body.length, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(more.fragment ?? 0, 6);
  head.writeUInt8(ttl, 8);
  head.writeUInt8(protocol, 9);
  head.writeUInt16BE(sum([head, src, dst]), 10);
  return Buffer.concat([head, src, dst, body]);
}

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const ACK = 16;

/** A TCP segment; `from` and `to` are `ADDR PORT`. */
export function tcp(from: string, to: string, flags: number, seq = 1000, ack = 0, data = 0): Uint8Array {
  const [source = '', sport] = from.split(' ');
  const [destination = '', dport] = to.split(' ');
  const segment = Buffer.alloc(20 + data);
  segment.writeUInt16BE(Number(sport), 0);
  segment.writeUInt16BE(Number(dport), 2);
  segment.writeUInt32BE(seq, 4);
  segment.writeUInt32BE(ack, 8);
  segment.writeUInt8(0x50, 12);
  segment.writeUInt8(flags, 13);
  segment.writeUInt16BE(8192, 14);
  return ip(source, destination, 6, segment, 16);
}

/** A UDP datagram with `data` zero bytes. */
export function udp(from: string, to: string, data = 4): Uint8Array {
  const [source = '', sport] = from.split(' ');
  const [destination = '', dport] = to.split(' ');
  const datagram = Buffer.alloc(8 + data);
  datagram.writeUInt16BE(Number(sport), 0);
  datagram.writeUInt16BE(Number(dport), 2);
  datagram.writeUInt16BE(8 + data, 4);
  return ip(source, destination, 17, datagram, 6);
}

/** An echo request (IPv4 or IPv6). */
export function ping(source: string, destination: string, ttl = 64): Uint8Array {
  const six = source.includes(':');
  const message = Buffer.from([six ? 128 : 8, 0, 0, 0, 0, 7, 0, 1]);
  return ip(source, destination, six ? 58 : 1, message, 2, { ttl });
}
