/** Other text in the data of a packet whose connection is translated: net/netfilter/nf_nat_helper.c of 6.18. Lengths and checksums follow. */
import { u16 } from '../../packet/bytes.ts';
import { pseudoHeaderSum, sum16 } from '../../packet/checksum.ts';
import { putU16 } from '../../packet/rewrite.ts';
import { TCP, UDP } from '../conntrack/tuple.ts';
import type { Packet } from '../packet.ts';

const LONGEST = 65535;
const IPV4_CHECKSUM = 10;
const IPV6_HEADER = 40;
const UDP_LENGTH = 4;
const CHECKSUM_AT: Readonly<Record<number, number>> = { [TCP]: 16, [UDP]: 6 };

/** `text` (characters are bytes) takes the place of `length` bytes, `at` bytes behind the begin of the transport header. False: the packet would be too long, and stays as it is. */
export function replaceData(packet: Packet, protocol: number, at: number, length: number, text: string): boolean {
  const { bytes, upperOffset } = packet;
  const total = packet.length + text.length - length;
  if (total > LONGEST) return false;
  const from = upperOffset + at;
  const out = new Uint8Array(bytes.length + text.length - length);
  out.set(bytes.subarray(0, from));
  out.set(
    Uint8Array.from(text, (character) => character.charCodeAt(0)),
    from,
  );
  out.set(bytes.subarray(from + length), from + text.length);
  if (packet.family === 6) putU16(out, 4, total - IPV6_HEADER);
  else putIpv4Length(out, total);
  if (protocol === UDP) putU16(out, upperOffset + UDP_LENGTH, total - upperOffset);
  packet.rewrite(out);
  sumUp(packet, protocol);
  return true;
}

function putIpv4Length(bytes: Uint8Array, total: number): void {
  putU16(bytes, 2, total);
  putU16(bytes, IPV4_CHECKSUM, 0);
  putU16(bytes, IPV4_CHECKSUM, ~sum16(bytes.subarray(0, (bytes[0]! & 15) * 4)) & 0xffff);
}

/** The checksum anew, over all that is there, whatever it was before; UDP without one stays so, and what is left to a device does. */
export function sumUp({ bytes, upperOffset, length, source, destination, unfinished }: Packet, protocol: number): void {
  if (unfinished) return;
  const at = upperOffset + CHECKSUM_AT[protocol]!;
  if (protocol === UDP && u16(bytes, at) === 0) return;
  putU16(bytes, at, 0);
  const sum = sum16(bytes.subarray(upperOffset), pseudoHeaderSum(source, destination, protocol, length - upperOffset));
  putU16(bytes, at, ~sum & 0xffff || 0xffff);
}
