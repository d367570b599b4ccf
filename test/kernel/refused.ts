/** Packets that REJECT refuses, with their answers in the capture: rules that probe what own packets are, and every witness against the running kernel. */
import { expect } from 'vitest';
import { fillHeaderChecksum } from '../../src/fuzz/build-packet.ts';
import type { KernelOutcome } from '../../src/kernel/index.ts';
import { buildHost, type HostGiven } from '../../src/model/host-build.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { frameOf, STATE_MATCHES, STATES } from '../reference/replay.ts';
import { judge } from './differential.ts';
import { WITNESSES } from './witnesses.ts';

export const FIREWALL = { 4: '10.9.0.1', 6: '2001:db8:9::1' } as const;
export const PEER = { 4: '10.0.0.2', 6: '2001:db8::2' } as const;
export const FAR = { 4: '10.1.0.3', 6: '2001:db8:1::3' } as const;
export const DEFAULT = { 4: 'icmp-port-unreachable', 6: 'icmp6-port-unreachable' } as const;
const HOSTS: Record<Family, HostGiven> = {
  4: { local: [FIREWALL[4]], in: 'eth0' },
  6: { local: [FIREWALL[6]], in: 'eth0' },
};
const PROBES = [...STATE_MATCHES, '-m conntrack --ctdir REPLY', '-m conntrack --ctstatus CONFIRMED', '-m connmark --mark 7'];
export const RELATED = STATES.indexOf('RELATED');
export const INVALID = STATES.indexOf('INVALID');

/** Probes where own packets are seen; the connection of what is new gets a mark. */
export const rulesOf = (filter: readonly string[], more: readonly string[] = []): string =>
  [
    '*mangle',
    ...['OUTPUT', 'POSTROUTING'].flatMap((chain) => PROBES.map((match) => `-A ${chain} ${match}`)),
    '-A PREROUTING -m conntrack --ctstate NEW -j CONNMARK --set-mark 7',
    'COMMIT',
    '*filter',
    ...filter,
    'COMMIT',
    ...more,
    '',
  ].join('\n');

export interface Given {
  family?: Family;
  host?: HostGiven;
  /** Packets, from 1, of which the capture says that they went out. */
  out?: readonly number[];
  sysctls?: Record<string, number>;
}

/** Counters, ways and connections of every witness as the kernel has them, on both backends. Out: the kernel's answers. */
export async function agree(
  rules: string,
  packets: readonly (Uint8Array | null)[],
  { family = 4, host = HOSTS[family], out = [], sysctls = {} }: Given = {},
) {
  const outcomes: KernelOutcome[] = [];
  const frames = packets.map((bytes, i) => frameOf(bytes!, i, out.includes(i + 1) ? { direction: 'out' } : {}));
  for (const backend of ['legacy', 'nft'] as const) {
    const settings = { nf_conntrack_acct: 1, ...sysctls };
    const given = { rules: { [family]: rules }, host: buildHost(host), frames, sysctls: settings, lists: true };
    const { outcome, found } = await judge(backend, given, WITNESSES);
    for (const [witness, lines] of found) expect(lines, `${backend}, ${witness}`).toEqual([]);
    outcomes.push(outcome);
  }
  return outcomes;
}

/** What a probe of OUTPUT counted, by each kernel. */
export const counted = (outcomes: readonly KernelOutcome[], probe: number): number[] =>
  outcomes.map(({ counters }) => counters.mangle!.OUTPUT!.rules[probe]!.packets);

/** Which packets the kernels sent themselves, from 1. */
export const own = (outcomes: readonly KernelOutcome[]): number[][] =>
  outcomes.map(({ packets }) => packets.flatMap(({ ownAnswer }, i) => (ownAnswer ? [i + 1] : [])));

/** The packet one hop on. */
export function forwarded(bytes: Uint8Array, family: Family): Uint8Array {
  const out = Uint8Array.from(bytes);
  if (family === 6) {
    out[7]!--;
    return out;
  }
  out[8]!--;
  fillHeaderChecksum(out.subarray(0, (out[0]! & 15) * 4));
  return out;
}
