/**
 * What a host itself answers, drawn behind everything else of a case: its stack, to what it does not forward and what nobody listens for, and as a router also to what REJECT refuses. Packets of the case stay as they are; a router
 * gets an address and MACs by which a capture tells what it sent.
 */

import { STACK_IP_OPTIONS, STACK_MTU, STACK_NO_ROUTE, STACK_TTL, STACK_UNREACHABLE } from '../abi/reasons.ts';
import type { Draw } from '../extensions/extension.ts';
import { formatAddress } from '../model/address.ts';
import { buildHost, type HostGiven } from '../model/host-build.ts';
import { translates } from '../model/nat.ts';
import type { PacketOutcome } from '../model/outcome.ts';
import { STACK_WORDS } from '../model/reasons.ts';
import type { Family } from '../model/ruleset.ts';
import * as ipv4 from '../packet/ipv4.ts';
import * as ipv6 from '../packet/ipv6.ts';
import { between, destinationOf, GROUP, isSummed, ownAnswer } from './answers.ts';
import type { FuzzCase } from './case.ts';
import type { Judge } from './features.ts';
import { ETHERNET } from './links.ts';
import type { FuzzPacket } from './packets.ts';
import { LOCAL, OWN_MAC, REMOTE } from './pools.ts';
import { errorAbout, optionsError, stackReset } from './rejection.ts';

const [TCP, UDP] = [6, 17];
/** Of which the stacks know something, if only that they have to look. */
const KNOWN: readonly number[] = [1, 2, 4, 6, 17, 41, 47, 50, 51, 58, 132, 136];

/** Type and code of what the stack says of a packet that it does not forward, by the reason. */
const NOT_FORWARDED: Readonly<Record<Family, Readonly<Record<string, readonly [number, number]>>>> = {
  4: { [STACK_WORDS[STACK_TTL]]: [11, 0], [STACK_WORDS[STACK_NO_ROUTE]]: [3, 0], [STACK_WORDS[STACK_UNREACHABLE]]: [3, 1] },
  6: { [STACK_WORDS[STACK_TTL]]: [3, 0], [STACK_WORDS[STACK_NO_ROUTE]]: [1, 0], [STACK_WORDS[STACK_UNREACHABLE]]: [1, 0] },
};
/** Where the answer says how much the way on takes, or where the fault lies. */
const TOO_BIG = STACK_WORDS[STACK_MTU];
const WRONG_OPTIONS = STACK_WORDS[STACK_IP_OPTIONS];
const WAYLESS: readonly string[] = [STACK_WORDS[STACK_NO_ROUTE], STACK_WORDS[STACK_UNREACHABLE]];
const PORT_UNREACHABLE: Readonly<Record<Family, readonly [number, number]>> = { 4: [3, 3], 6: [1, 4] };
/** Of IPv6 a parameter problem, which says where the protocol stands. */
const UNKNOWN_PROTOCOL: Readonly<Record<Family, readonly [number, number, number]>> = { 4: [3, 2, 0], 6: [4, 1, 6] };
/** So many errors about what no way leads to IPv4 sends to one sender at once (net.ipv4.route.error_burst). */
const BURST = 5;

/** What sockets are behind answers a capture does not say; and where prefixes are translated nobody foretells the checksums that a kernel left to the device. */
const NOT_FORETOLD = / -m (?:owner|cgroup|socket|rpfilter) | -j [SD]NPT /;

/** The case with such answers, half the time. Kernels on the capture's clock do not send answers of their own. */
export function withStackAnswers(draw: Draw, fuzzCase: FuzzCase, judge: Judge): FuzzCase {
  if (judge === 'virtual' || fuzzCase.link !== ETHERNET || draw.chance()) return fuzzCase;
  if (judge === 'kernel' && NOT_FORETOLD.test(fuzzCase.rules)) return fuzzCase;
  const router = fuzzCase.host.forward;
  const given = router ? routerOf(draw, fuzzCase) : fuzzCase.given;
  const made = router ? { ...fuzzCase, given, host: buildHost(given) } : fuzzCase;
  const translated = translates(made.ruleset);
  const takes = made.host.interfaces.find(({ name }) => name === 'eth1')?.mtu ?? 0;
  const wayless = new Map<string, number>();
  const refused = new Set(
    made.host.routes.filter(({ type }) => type !== 'unicast').map(({ destination }) => formatAddress(destination)),
  );
  const own = (packet: FuzzPacket, outcome: PacketOutcome): FuzzPacket | null => {
    // No way leads back.
    if (refused.has(sourceOf(packet.bytes, packet.family))) return null;
    if (packet.family === 4 && WAYLESS.includes(outcome.reason ?? '')) {
      const source = sourceOf(packet.bytes, 4);
      const before = wayless.get(source) ?? 0;
      wayless.set(source, before + 1);
      if (before >= BURST) return null;
    }
    return (router ? ownAnswer(packet, outcome, made) : null) ?? stackAnswer(packet, outcome, translated, takes);
  };
  return { ...made, packets: between(draw, made, judge, { own, others: () => [] }) };
}

/** Everything comes in by one device and leaves by the other, but for what no way leads to. */
function routerOf(draw: Draw, { family, packets, given: { proxies, localMark } }: FuzzCase): HostGiven {
  const [inet, prefix, everything] = family === 4 ? (['inet', 32, '0.0.0.0/0'] as const) : (['inet6', 128, '::/0'] as const);
  const refused = draw.chance(0.6) ? [{ type: draw.pick(['unreachable', 'blackhole']), dst: draw.pick(REMOTE[family]) }] : [];
  const mtu = draw.chance(0.5) ? narrowMtu(packets, family) : undefined;
  return {
    addresses: [
      { ifname: 'eth0', address: OWN_MAC, addr_info: [{ family: inet, local: LOCAL[family], prefixlen: prefix }] },
      { ifname: 'eth1', ...(mtu !== undefined && { mtu }), addr_info: [] },
    ],
    routes: [[{ dst: everything, dev: 'eth1' }, ...refused]],
    in: 'eth0',
    ...(proxies && { proxies }),
    ...(localMark && { localMark }),
  };
}

const DONT_FRAGMENT = 0x40;
/** So much longer may rules make a packet. */
const GROWTH = 64;
const LEAST_MTU6 = 1280;

/** An MTU that some packets are too big for; of IPv4 only such as may not be cut, for what is cut leaves in pieces. undefined: none of them are. */
function narrowMtu(packets: readonly FuzzPacket[], family: Family): number | undefined {
  if (family === 6) return LEAST_MTU6;
  const longest = (whole: boolean): number =>
    Math.max(0, ...packets.filter(({ bytes }) => ((bytes[6]! & DONT_FRAGMENT) !== 0) === whole).map(({ bytes }) => bytes.length));
  const mtu = longest(false) + GROWTH;
  return longest(true) > mtu ? mtu : undefined;
}

/** null: it says nothing, or nothing that can be foretold: of what was translated, and where rules translate (`translated`) of what is for the host itself. `takes`: the MTU of the way on. */
function stackAnswer(
  { bytes, family, direction, kind, ...packet }: FuzzPacket,
  { verdict, hook, reason, rewritten }: PacketOutcome,
  translated: boolean,
  takes: number,
): FuzzPacket | null {
  if (rewritten === undefined || direction === 'out' || kind !== 'host') return null;
  if (translated && !isSameBehind(rewritten, bytes, family)) return null;
  // A copy of a broadcast that the kernel sends while it receives comes back behind the packet, not ahead of it.
  if (GROUP.test(sourceOf(bytes, family))) return null;
  const told = verdict === 'STACK' ? toldOf(family, reason ?? '', takes) : undefined;
  const local = verdict === 'ACCEPT' && hook === 'INPUT' && !translated && destinationOf(rewritten, family) === LOCAL[family];
  const wrong = verdict === 'STACK' && reason === WRONG_OPTIONS ? optionsError(rewritten, LOCAL[4]) : null;
  const lost = told ? errorAbout(rewritten, family, told, LOCAL[family]) : wrong;
  const answer = lost ?? (local ? unheard(rewritten, family) : null);
  return answer && { ...packet, family, kind, time: packet.time + 10n, bytes: answer, direction: 'out' };
}

/** Type, code and what stands behind the checksum. */
function toldOf(family: Family, reason: string, takes: number): readonly [number, number, number?] | undefined {
  if (reason === TOO_BIG) return family === 4 ? [3, 4, takes] : [2, 0, takes];
  return NOT_FORWARDED[family][reason];
}

/** To what comes to where nobody listens. */
function unheard(bytes: Uint8Array, family: Family): Uint8Array | null {
  const upper = family === 6 ? ipv6.skipExtensions(bytes) : { protocol: ipv4.protocol(bytes) };
  if (upper === 'unparsable' || !isSummed(bytes, family)) return null;
  const { protocol } = upper;
  if (protocol === TCP) return stackReset(bytes, family);
  if (protocol === UDP) return errorAbout(bytes, family, PORT_UNREACHABLE[family], LOCAL[family]);
  const named = family === 4 || bytes[6] === protocol;
  return named && !KNOWN.includes(protocol) ? errorAbout(bytes, family, UNKNOWN_PROTOCOL[family], LOCAL[family]) : null;
}

const sourceOf = (bytes: Uint8Array, family: Family): string => formatAddress((family === 4 ? ipv4 : ipv6).source(bytes));

/** From the addresses on. */
const isSameBehind = (one: Uint8Array, two: Uint8Array, family: Family): boolean =>
  Buffer.compare(one.subarray(family === 4 ? 12 : 8), two.subarray(family === 4 ? 12 : 8)) === 0;
