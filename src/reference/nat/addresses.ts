/** Addresses of the host's devices for MASQUERADE and REDIRECT (net/ipv4/devinet.c inet_select_addr, net/ipv6/addrconf.c ipv6_dev_get_saddr, nf_nat_redirect.c). */
import { maskAddress, prefixMask } from '../../model/address.ts';
import type { Host, HostAddress, HostInterface } from '../../model/host.ts';
import type { Family, Words } from '../../model/ruleset.ts';
import { sameWords } from '../../packet/bytes.ts';
import * as ipv6 from '../../packet/ipv6.ts';
import type { Routes } from '../routes.ts';

const LOOPBACK: Readonly<Record<Family, Words>> = { 4: [0x7f000001], 6: [0, 0, 0, 1] };

const addressesOf = (device: HostInterface | undefined, family: Family): HostAddress[] =>
  device?.addresses.filter((one) => one.family === family) ?? [];

/** What may stand outside: 127.0.0.0/8 is of the host's scope. Of IPv6 even ::1 may, where there is nothing else. */
const outside4 = (list: readonly HostAddress[]): HostAddress[] => list.filter(({ address }) => address[0]! >>> 24 !== 127);

/** What a packet to `destination` that leaves by `device` is made to come from; undefined: the host has no address to give. */
export function masqueradeAddress(
  { host, routes }: { host: Host; routes: Routes },
  family: Family,
  device: string,
  destination: Words,
): Words | undefined {
  const own = host.interfaces.find(({ name }) => name === device);
  const others = host.interfaces.filter((one) => one !== own);
  const candidates = [own, ...others].map((one) => addressesOf(one, family));
  return family === 4 ? select4(candidates.map(outside4), routes.nextHop(destination, device)) : select6(candidates, destination);
}

/** One in the network of whom packets are handed to, else the device's first, else that of another device. An address of a network that an earlier one has is secondary: not asked. */
function select4(candidates: readonly HostAddress[][], hop: Words): Words | undefined {
  const covers = ({ address, prefix }: HostAddress, other: Words): boolean => {
    const mask = prefixMask(prefix, 4);
    return sameWords(maskAddress(address, mask), maskAddress(other, mask));
  };
  const primary = (candidates[0] ?? []).filter(
    (one, index, all) => !all.slice(0, index).some((before) => before.prefix === one.prefix && covers(before, one.address)),
  );
  const near = primary.find((one) => covers(one, hop)) ?? primary[0];
  return (near ?? candidates.flat()[0])?.address;
}

/** RFC 6724, as far as addresses alone decide it: the destination itself, a fitting scope, the outgoing device, the destination's label, the longest common prefix, as far as the network goes. */
function select6(candidates: readonly HostAddress[][], destination: Words): Words | undefined {
  const wanted = scope(destination);
  // Link-local and multicast destinations have a source of their own device only.
  const usable = wanted <= LINK_SCOPE || ipv6.isMulticast(destination) ? candidates.slice(0, 1) : candidates;
  let best: { address: Words; rank: number[] } | undefined;
  for (const [index, list] of usable.entries()) {
    for (const { address, prefix } of list) {
      const own = scope(address);
      const fits = own >= wanted ? 64 - own : own - 64;
      const alike = label(address) === label(destination) ? 1 : 0;
      const near = Math.min(commonBits(address, destination), prefix);
      const rank = [sameWords(address, destination) ? 1 : 0, fits, index === 0 ? 1 : 0, alike, near];
      if (best === undefined || exceeds(rank, best.rank)) best = { address, rank };
    }
  }
  return best?.address;
}

const LINK_SCOPE = 2;

/** The kernel's own policy table (net/ipv6/addrlabel.c), longest prefixes first; 1 for all else. */
const LABELS: readonly [network: Words, prefix: number, label: number][] = [
  [[0, 0, 0, 1], 128, 0],
  [[0, 0, 0xffff, 0], 96, 4],
  [[0, 0, 0, 0], 96, 3],
  [[0x20010000, 0, 0, 0], 32, 6],
  [[0x20010010, 0, 0, 0], 28, 7],
  [[0x20020000, 0, 0, 0], 16, 2],
  [[0x3ffe0000, 0, 0, 0], 16, 12],
  [[0xfec00000, 0, 0, 0], 10, 11],
  [[0xfc000000, 0, 0, 0], 7, 5],
];

function label(address: Words): number {
  const found = LABELS.find(([network, prefix]) => sameWords(maskAddress(address, prefixMask(prefix, 6)), network));
  return found === undefined ? 1 : found[2];
}

/** 2 for link-local, 5 for site-local, 14 for all else; of a group its own. */
function scope(address: Words): number {
  if (ipv6.isMulticast(address)) return ipv6.multicastScope(address);
  if (ipv6.isLinkLocal(address) || ipv6.isLoopback(address)) return LINK_SCOPE;
  return address[0]! >>> 22 === 0xfec0 >>> 6 ? 5 : 14;
}

function exceeds(rank: readonly number[], other: readonly number[]): boolean {
  for (const [i, one] of rank.entries()) if (one !== other[i]) return one > other[i]!;
  return false;
}

function commonBits(a: Words, b: Words): number {
  for (const [i, word] of a.entries()) if (word !== b[i]) return 32 * i + Math.clz32(word ^ b[i]!);
  return 128;
}

/** Where REDIRECT sends a packet to `destination` that came in by `device`; own packets ('') to the loopback address. */
export function redirectAddress(host: Host, family: Family, device: string, destination: Words): Words | undefined {
  if (device === '') return LOOPBACK[family];
  const list = addressesOf(
    host.interfaces.find(({ name }) => name === device),
    family,
  );
  if (family === 4) return list[0]?.address;
  // A destination of less than global scope wants one of the same.
  const wanted = scope(destination);
  return list.find(({ address }) => wanted > 5 || scope(address) === wanted)?.address;
}
