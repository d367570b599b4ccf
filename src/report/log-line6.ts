/** What a LOG line says of IPv6: net/netfilter/nf_log_syslog.c, dump_ipv6_packet. */
import { u8, u16, u32 } from '../packet/bytes.ts';
import { dumpTcp, dumpUdp, incomplete, type LogText } from './log-transport.ts';

const HEADER = 40;
const [HOP_BY_HOP, TCP, UDP, ROUTING, FRAGMENT, ESP, AH, ICMPV6, DESTINATION, UDPLITE] = [0, 6, 17, 43, 44, 50, 51, 58, 60, 136];
/** What the kernel calls extension headers here (nf_ip6_ext_hdr); the one that says that nothing follows is none to it. */
const EXTENSIONS: readonly number[] = [HOP_BY_HOP, ROUTING, FRAGMENT, ESP, AH, DESTINATION];
const [UNREACHABLE, TOO_BIG, TIME_EXCEEDED, PARAMETER_PROBLEM, ECHO_REQUEST, ECHO_REPLY] = [1, 2, 3, 4, 128, 129];

/** Eight groups of four digits, nothing left out. */
const address = (bytes: Uint8Array, at: number): string =>
  Array.from({ length: 8 }, (_, group) =>
    u16(bytes, at + 2 * group)
      .toString(16)
      .padStart(4, '0'),
  ).join(':');

/** The header at `at`: the packet's own, or that inside an ICMPv6 error. */
export function dumpIpv6(text: LogText, at: number): void {
  const { bytes } = text;
  if (!text.has(at, HEADER)) {
    text.add('TRUNCATED');
    return;
  }
  const [first, payload] = [u32(bytes, at), u16(bytes, at + 4)];
  text.add(`SRC=${address(bytes, at + 8)} DST=${address(bytes, at + 24)} `);
  // A packet the card put together may be too long for its length field, which is 0 then.
  const length = payload === 0 && at === 0 && text.kernel !== '6.1' ? text.length : payload + HEADER;
  text.add(`LEN=${length} TC=${(first >>> 20) & 0xff} HOPLIMIT=${u8(bytes, at + 7)} FLOWLBL=${first & 0xfffff} `);
  const upper = dumpExtensions(text, at);
  if (upper === null || !dumpProtocol(text, at === 0, upper)) return;
  if (at === 0) text.addMark();
}

interface Upper {
  protocol: number;
  at: number;
  fragment: boolean;
}

/** The extension headers of the packet at `start`; null when nothing more is said of it. */
function dumpExtensions(text: LogText, start: number): Upper | null {
  const options = text.flags.has('log-ip-options');
  let protocol = u8(text.bytes, start + 6);
  let at = start + HEADER;
  let fragment = false;
  while (EXTENSIONS.includes(protocol)) {
    if (!text.has(at, 2)) {
      text.add('TRUNCATED');
      return null;
    }
    if (options) text.add('OPT ( ');
    const size = dumpExtension(text, protocol, at, fragment);
    if (size === null) return null;
    if (protocol === FRAGMENT) fragment ||= (u16(text.bytes, at + 2) & 0xfff8) !== 0;
    if (options) text.add(') ');
    protocol = u8(text.bytes, at);
    at += size;
  }
  return { protocol, at, fragment };
}

/** One extension header, of which two bytes are there. Its length; null when nothing more is said of the packet. */
function dumpExtension(text: LogText, protocol: number, at: number, fragment: boolean): number | null {
  const { bytes } = text;
  const options = text.flags.has('log-ip-options');
  switch (protocol) {
    case FRAGMENT: {
      text.add('FRAG:');
      if (!text.has(at, 8)) {
        text.add('TRUNCATED ');
        return null;
      }
      const field = u16(bytes, at + 2);
      const more = (field & 1) !== 0 ? 'INCOMPLETE ' : '';
      text.add(
        `${field & 0xfff8} ${more}ID:${u32(bytes, at + 4)
          .toString(16)
          .padStart(8, '0')} `,
      );
      return 8;
    }
    case AH:
      if (options && !dumpSpi(text, 'AH', at, fragment)) return null;
      return (u8(bytes, at + 1) + 2) * 4;
    case ESP:
      if (options && dumpSpi(text, 'ESP', at, fragment)) text.add(')');
      return null;
    default:
      if (!fragment) return (u8(bytes, at + 1) + 1) * 8;
      if (options) text.add(')');
      return null;
  }
}

function dumpSpi(text: LogText, name: 'AH' | 'ESP', at: number, fragment: boolean): boolean {
  const [size, spi] = name === 'AH' ? [12, 4] : [8, 0];
  text.add(`${name} `);
  const there = !fragment && text.has(at, size);
  if (there) text.add(`SPI=0x${u32(text.bytes, at + spi).toString(16)} `);
  else text.add(fragment ? ')' : `${incomplete(text, at)})`);
  return there;
}

/** False when nothing more is said of the packet. `outer`: it is not the one inside an error. */
function dumpProtocol(text: LogText, outer: boolean, { protocol, at, fragment }: Upper): boolean {
  switch (protocol) {
    case TCP:
      return dumpTcp(text, at, fragment);
    case UDP:
    case UDPLITE:
      return dumpUdp(text, protocol === UDP ? 'UDP' : 'UDPLITE', at, fragment);
    case ICMPV6:
      text.add('PROTO=ICMPv6 ');
      return fragment || dumpIcmp(text, outer, at);
    default:
      text.add(`PROTO=${protocol} `);
      return true;
  }
}

function dumpIcmp(text: LogText, outer: boolean, at: number): boolean {
  const { bytes } = text;
  if (!text.has(at, 8)) {
    text.add(incomplete(text, at));
    return false;
  }
  const type = u8(bytes, at);
  text.add(`TYPE=${type} CODE=${u8(bytes, at + 1)} `);
  switch (type) {
    case ECHO_REQUEST:
    case ECHO_REPLY:
      text.add(`ID=${u16(bytes, at + 4)} SEQ=${u16(bytes, at + 6)} `);
      break;
    case PARAMETER_PROBLEM:
    case UNREACHABLE:
    case TOO_BIG:
    case TIME_EXCEEDED:
      if (type === PARAMETER_PROBLEM)
        text.add(
          `POINTER=${u32(bytes, at + 4)
            .toString(16)
            .padStart(8, '0')} `,
        );
      // Of an error inside an error the packet is not shown.
      if (outer) {
        text.add('[');
        dumpIpv6(text, at + 8);
        text.add('] ');
      }
      if (type === TOO_BIG) text.add(`MTU=${u32(bytes, at + 4)} `);
  }
  return true;
}
