/** The line the kernel's LOG target prints: net/netfilter/nf_log_syslog.c. Headers of IPv4; log-line6.ts has those of IPv6, log-transport.ts what both carry. */
import type { LoggedPacket } from '../model/log.ts';
import type { Kernel } from '../model/profile.ts';
import { u8, u16, u32 } from '../packet/bytes.ts';
import { dumpIpv6 } from './log-line6.ts';
import { dumpTcp, dumpUdp, incomplete, LogText } from './log-transport.ts';

const [ICMP, TCP, UDP, ESP, AH, UDPLITE] = [1, 6, 17, 50, 51, 136];
const [ECHO_REPLY, UNREACHABLE, QUENCH, REDIRECT, ECHO, TIME_EXCEEDED, PARAMETER_PROBLEM] = [0, 3, 4, 5, 8, 11, 12];
const FRAGMENTATION_NEEDED = 4;
/** Bytes of the ICMP types that have a length of their own. */
const ICMP_LENGTHS: Readonly<Record<number, number>> = {
  [ECHO_REPLY]: 4,
  [UNREACHABLE]: 28,
  [QUENCH]: 28,
  [REDIRECT]: 28,
  [ECHO]: 4,
  [TIME_EXCEEDED]: 28,
  [PARAMETER_PROBLEM]: 28,
  13: 20,
  14: 20,
  17: 12,
  18: 12,
};
const LOOPBACK = 'lo';
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** What stands for the name of the host. */
const HOST = 'wasmtables';

/** The line as syslog files have it (RFC 3164, in UTC): `Nov 26 15:19:25 wasmtables kernel: IN=eth0 OUT= MAC=...`. `time`: nanoseconds since the epoch. */
export function logLine(time: bigint, packet: LoggedPacket, kernel: Kernel): string {
  const date = new Date(Number(time / 1_000_000n));
  // Date ends at the year 275760; a capture with a broken clock may not.
  const [day, clock] = Number.isNaN(date.getTime()) ? [0, '00:00:00'] : [date.getUTCDate(), date.toISOString().slice(11, 19)];
  const month = MONTHS[date.getUTCMonth()] ?? MONTHS[0];
  return `${month} ${String(day).padStart(2)} ${clock} ${HOST} kernel: ${logText(packet, kernel)}`;
}

/** What the kernel prints of a packet, from the prefix on, without the newline. It ends with a blank, as the kernel's does. */
export function logText(packet: LoggedPacket, kernel: Kernel): string {
  const text = new LogText(packet, kernel);
  text.add(`${packet.request.prefix}IN=${packet.inInterface} OUT=${packet.outInterface} `);
  if (packet.inInterface !== '') text.add(linkWords(packet));
  if (packet.family === 4) dumpIpv4(text, 0);
  else dumpIpv6(text, 0);
  return text.end();
}

/** The link header where there is an in-device. */
function linkWords({ request, inInterface, linkHeader }: LoggedPacket): string {
  const hex = Array.from(linkHeader ?? [], (byte) => byte.toString(16).padStart(2, '0'));
  const decodes = request.flags.includes('log-macdecode') && linkHeader !== null && inInterface !== LOOPBACK;
  if (!decodes) return `MAC=${hex.join(':')} `;
  if (hex.length === 0) return '';
  const address = (from: number): string => hex.slice(from, from + 6).join(':');
  return `MACSRC=${address(6)} MACDST=${address(0)} MACPROTO=${hex.slice(12).join('')} `;
}

const dotted = (bytes: Uint8Array, at: number): string => bytes.subarray(at, at + 4).join('.');
const hex2 = (value: number): string => value.toString(16).toUpperCase().padStart(2, '0');

/** The header at `at`: the packet's own, or that inside an ICMP error. */
function dumpIpv4(text: LogText, at: number): void {
  const { bytes } = text;
  if (!text.has(at, 20)) {
    text.add('TRUNCATED');
    return;
  }
  const [tos, total, fragment] = [u8(bytes, at + 1), u16(bytes, at + 2), u16(bytes, at + 6)];
  text.add(`SRC=${dotted(bytes, at + 12)} DST=${dotted(bytes, at + 16)} `);
  // A packet the card put together may be too long for its length field, which is 0 then.
  const length = total === 0 && at === 0 && text.kernel !== '6.1' ? text.length : total;
  text.add(
    `LEN=${length} TOS=0x${hex2(tos & 0x1e)} PREC=0x${hex2(tos & 0xe0)} TTL=${u8(bytes, at + 8)} ID=${u16(bytes, at + 4)} `,
  );
  if ((fragment & 0x8000) !== 0) text.add('CE ');
  if ((fragment & 0x4000) !== 0) text.add('DF ');
  if ((fragment & 0x2000) !== 0) text.add('MF ');
  const offset = fragment & 0x1fff;
  if (offset !== 0) text.add(`FRAG:${offset} `);
  const header = (u8(bytes, at) & 15) * 4;
  if (text.flags.has('log-ip-options') && header > 20) {
    if (!text.has(at + 20, header - 20)) {
      text.add('TRUNCATED');
      return;
    }
    text.add(`OPT (${text.hex(at + 20, header - 20)}) `);
  }
  if (!dumpProtocol(text, at, at + header, offset !== 0)) return;
  if (at === 0) text.addMark();
}

/** What the header at `at` carries, from `next` on. False when nothing more is said of the packet. */
function dumpProtocol(text: LogText, at: number, next: number, fragment: boolean): boolean {
  const protocol = u8(text.bytes, at + 9);
  switch (protocol) {
    case TCP:
      return dumpTcp(text, next, fragment);
    case UDP:
    case UDPLITE:
      return dumpUdp(text, protocol === UDP ? 'UDP' : 'UDPLITE', next, fragment);
    case ICMP:
      text.add('PROTO=ICMP ');
      if (!fragment) dumpIcmp(text, at, next);
      return true;
    case AH:
    case ESP: {
      text.add(protocol === AH ? 'PROTO=AH ' : 'PROTO=ESP ');
      if (fragment) return true;
      const [size, spi] = protocol === AH ? [12, 4] : [8, 0];
      text.add(text.has(next, size) ? `SPI=0x${u32(text.bytes, next + spi).toString(16)} ` : incomplete(text, next));
      return true;
    }
    default:
      text.add(`PROTO=${protocol} `);
      return true;
  }
}

/** The ICMP message at `next` of the packet whose header is at `at`. */
function dumpIcmp(text: LogText, at: number, next: number): void {
  const { bytes } = text;
  if (!text.has(next, 8)) {
    text.add(incomplete(text, next));
    return;
  }
  const [type, code] = [u8(bytes, next), u8(bytes, next + 1)];
  text.add(`TYPE=${type} CODE=${code} `);
  if (text.length - next < (ICMP_LENGTHS[type] ?? 0)) {
    text.add(incomplete(text, next));
    return;
  }
  switch (type) {
    case ECHO:
    case ECHO_REPLY:
      text.add(`ID=${u16(bytes, next + 4)} SEQ=${u16(bytes, next + 6)} `);
      return;
    case PARAMETER_PROBLEM:
      text.add(`PARAMETER=${u8(bytes, next + 4)} `);
      return;
    case REDIRECT:
    case UNREACHABLE:
    case QUENCH:
    case TIME_EXCEEDED:
      if (type === REDIRECT) text.add(`GATEWAY=${dotted(bytes, next + 4)} `);
      // Of an error inside an error the packet is not shown.
      if (at === 0) {
        text.add('[');
        dumpIpv4(text, next + 8);
        text.add('] ');
      }
      if (type === UNREACHABLE && code === FRAGMENTATION_NEEDED) text.add(`MTU=${u16(bytes, next + 6)} `);
  }
}
