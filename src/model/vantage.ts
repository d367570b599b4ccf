/**
 * Where a capture was taken. The replay translates and forwards by itself: it wants packets as they come in, each once. A capture of a router's devices shows answers that are turned back
 * already, forwarded packets as if they were its own, or every packet twice; the first can be told from connections (both witnesses do), the others from the packets.
 */

import { formatAddress, isWhole } from './address.ts';
import { count } from './count.ts';
import type { Host } from './host.ts';
import { NAT_NOTES, type NatSpec } from './nat.ts';
import type { InterfaceMatch, Rule, RuleSet, Words } from './ruleset.ts';

/** Packets of one kind. */
export interface Sighted {
  packets: number;
  /** The number of the first of them. */
  first: number;
}

const ADVICE =
  'capture with "tcpdump -i any" on the router, which says what came in and what went out, and say where its addresses are (--addr, or --local ADDRESS/PREFIX@DEVICE for each)';

/** `3 packets that ..., the first packet 7`. */
export const counted = ({ packets, first }: Sighted, one: string, many: string): string =>
  packets === 1 ? `packet ${count(first)} ${one}` : `${count(packets)} packets (the first: ${count(first)}) ${many}`;

/**
 * Notes of a result. `back`: packets to no connection, that would be answers to one that is translated, if it were not; no true answer to it was seen.
 * `other`: packets to no connection, that look as those of one that is translated on the other side of the translation, whose packets before it are in the capture, too.
 */
export function vantageNotes(back: Sighted, other: Sighted): string[] {
  const notes: string[] = [];
  if (back.packets > 0) {
    const what = counted(
      back,
      'answers a connection that these rules translate, but has',
      'answer connections that these rules translate, but have',
    );
    notes.push(
      `${what} the addresses from before the translation, as captures on the translating host show them: for the rules they belong to no connection, and that is not the kernel's verdict; ${ADVICE}`,
    );
  }
  if (other.packets > 0) {
    const what = counted(other, 'was', 'were');
    notes.push(`${what} captured before and behind the translation by these rules, and judged twice; ${ADVICE}`);
  }
  return notes;
}

/** Of packets with a source of this host, and a TTL that a system does not send with, where rules translate sources. */
export function forwardedNote(seen: Sighted): string[] {
  if (seen.packets === 0) return [];
  const what = counted(seen, 'comes from this host, but with a TTL', 'come from this host, but with TTLs');
  return [
    `${what} that only forwarded packets have: they were captured behind the translation of their sources, and judged as the host's own (OUTPUT); ${ADVICE}`,
  ];
}

/** What systems send with, less one to three routers; traceroute's are lower. */
export const FORWARDED_TTLS: ReadonlySet<number> = new Set([61, 62, 63, 125, 126, 127, 252, 253, 254]);

/** Of packets that the capture says went out from an address of this host, with such a TTL, where rules translate and no connection has them. */
export function straysNote(seen: Sighted): string[] {
  if (seen.packets === 0) return [];
  const what = counted(seen, 'went out from this host, but with a TTL', 'went out from this host, but with TTLs');
  return [
    `${what} that only forwarded packets have, and no connection that these rules translated is theirs: other rules did, another port was drawn, or another way was taken than the routes say (ip rule); judged as the host's own (OUTPUT)`,
  ];
}

/** Of packets that the capture says went out, from addresses of others, where rules translate: they were not sent on, and no connection has them. */
export function unjudgedNote(seen: Sighted): string[] {
  if (seen.packets === 0) return [];
  const what = counted(seen, 'went out from an address', 'went out from addresses');
  return [
    `${what} that this host has not, but by these rules nothing was sent on so, and no connection has it: the host's own behind SNAT to such an address, or forwarded by other rules, from another port, in a zone or before the capture began; not judged`,
  ];
}

/** Of packets that come a second time with a TTL one lower. */
export function copiesNote(seen: Sighted): string[] {
  if (seen.packets === 0) return [];
  const what = counted(seen, 'is the packet', 'are packets');
  return [`${what} captured before with a TTL one lower, as it is when a router sends them on: each is judged twice; ${ADVICE}`];
}

/** Of a host model: a router of which nothing else is known, whose capture has what it sent on twice. `first`: the number of a packet that went out. */
export const sentOnNote = (first: number): string =>
  `the capture has forwarded packets twice, as they came in and as they went out (packet ${count(first)} is one that went out): what went out is not judged, nor what the router itself sent; with --addr, or --local ADDRESS/PREFIX@DEVICE for each of its devices, that is known`;

/** Where notes ask for the router's addresses: those that its rules name and the host model has not got, as --local takes them. */
export function namedNote(notes: readonly string[], rules: readonly RuleSet[], host: Pick<Host, 'interfaces'>): string[] {
  const asking = [ADVICE, NAT_NOTES.masquerade, NAT_NOTES.redirect];
  if (!notes.some((note) => asking.some((asked) => note.includes(asked)))) return [];
  const nat = rules.flatMap(({ tables }) => tables.filter(({ name }) => name === 'nat'));
  const all = nat.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules.flatMap(named)));
  const unknown = all.filter(({ address, device }) =>
    host.interfaces.every(({ name, addresses }) =>
      address === undefined
        ? name !== device || addresses.length === 0
        : addresses.every((own) => formatAddress(own.address) !== formatAddress(address)),
    ),
  );
  const texts = unknown.map(
    ({ address, device }) =>
      `${address === undefined ? 'ADDRESS/PREFIX' : formatAddress(address)}${device === undefined ? '' : `@${device}`}`,
  );
  if (texts.length === 0) return [];
  return [
    `of the router's addresses the rules name these: --local ${[...new Set(texts)].join(',')}; those of its other devices are wanted, too`,
  ];
}

/** An address of the router, a device that has one, or both. */
interface Named {
  address?: Words;
  device?: string;
}

/** What a rule of the nat table says of the router: the source that it gives to others, the destination that it waits for; MASQUERADE and REDIRECT name the device only. */
function named({ builtin, target }: Rule): Named[] {
  if (target?.kind !== 'extension' || target.assumed !== undefined) return [];
  const at = (match: InterfaceMatch | undefined): Named =>
    match === undefined || match.invert || match.pattern.endsWith('+') ? {} : { device: match.pattern };
  const [comes, leaves] = [at(builtin.inInterface), at(builtin.outInterface)];
  const { destination } = builtin;
  switch (target.name) {
    case 'MASQUERADE':
      return leaves.device === undefined ? [] : [leaves];
    case 'REDIRECT':
      return comes.device === undefined ? [] : [comes];
    case 'SNAT': {
      const { to } = target.options as NatSpec;
      return to.kind === 'range' ? [{ address: to.low, ...leaves }] : [];
    }
    case 'DNAT':
      return destination === undefined || destination.invert || !isWhole(destination.mask)
        ? []
        : [{ address: destination.address, ...comes }];
    default:
      return [];
  }
}
