/**
 * The host model: which addresses, interfaces and routes the firewall host has. It decides which way a captured packet takes.
 *
 * Which way a captured packet takes (both witnesses implement this, each by itself):
 * 1. `forward` true (--forward): every packet arrives at `in`, or, where that was not given (`recordedWays`), at the record's own device; what the capture says left by such a device is unseen, "outgoing copy of a
 *    forwarded packet", and so is all that it says left where its first packets have forwarded ones twice (`copiesLeave`). Nothing is local but 127.0.0.0/8, ::1, broadcast and multicast as the
 *    kernel has them; everything else is routed to `out`. Packets the kernel would not forward (martians, TTL 1, link-layer broadcast)
 *    meet their usual fate. A packet to 255.255.255.255 goes to INPUT, as in the kernel. Nobody knows the ways back, so rp_filter is not asked.
 * 2. otherwise, from what the capture says (the packet type of a cooked header, else pcapng's epb_flags, else Ethernet's MACs: from one of the host's own it is outbound, from another to one of its own inbound; a cooked header's type
 *    counts if it is one that taps of the kernel see, 0 to 4, and has the sender's MAC only; "for another host" there is unseen, on lo as well, where only a packet socket can send such frames, and a frame that this host sent is
 *    never for another, whatever is in it): outbound and
 *    source local or unspecified (DHCP, address detection) -> OUTPUT (or LOOPBACK); outbound and source not local -> unseen, "outgoing copy of a forwarded packet".
 *    Inbound, or nothing known: source local and (direction unknown) -> OUTPUT, or LOOPBACK when the destination is local too;
 *    else the packet arrives: destination local or broadcast -> INPUT; multicast -> INPUT if the group is joined (224.0.0.1, ff01::1, ff02::1, solicited-node
 *    addresses of the host's addresses on other devices than lo; ff01::2, ff02::2, ff05::2 where IPv6 forwarding is on, and `groups` has not ff02::1 without them for the device; those of `groups`, at their device) else dropped by routing after PREROUTING; anything else -> FORWARD by the routes.
 *    Inbound with a local source is a martian source (IPv4).
 *    Where rules translate (a nat table), what the capture says went out is behind the translation, and connections tell whose it is: before any rule sees it, the packet turned round is looked up in zone 0. A live
 *    translated connection that has it, in whatever direction, is the one the packet left by (no other's answers could be told from its). What packets of the packet's own direction bear before they are translated decides:
 *    a source of the host makes it an answer in a connection that was turned to it (REDIRECT, DNAT), judged as OUTPUT had it, whatever source it bears in the capture; any other makes it an "outgoing copy of a forwarded packet".
 *    The same for the packet that an ICMP error quotes: an error is the host's own, and its translation is taken back, unless an error about that packet was sent on within the 64 packets before it. What was sent on
 *    within as many, and ended its connection (RST) or had none (INVALID, UNTRACKED), is remembered as it left, and its copy is one, too. Answers to what was refused come before all that. Fragments from addresses of others are copies.
 *    An OUTPUT packet to 255.255.255.255, or to a broadcast address of the device it leaves by (not lo), comes back as the kernel has it: between OUTPUT and POSTROUTING a copy goes through
 *    POSTROUTING, PREROUTING and INPUT of that device, with the same connection; its fate is not the packet's, but its counters count. Multicast only leaves: the capture does not say
 *    whether the sender wanted a copy (IP_MULTICAST_LOOP).
 *    What this host sends larger than the path's MTU is cut by its kernel behind POSTROUTING: rules meet it whole, the capture shows fragments. Where rules do not put fragments together anyway, those that
 *    leave (not over lo) and may be the kernel's work are put together again before OUTPUT; those of a tool, which a raw socket sends as they are, rules meet one by one. Only their size tells one from
 *    the other: the kernel's are as long as the MTU allows, but for what a multiple of eight bytes leaves free. The kernel learns no path MTU below 552 (IPv4; net.ipv4.route.min_pmtu), but a device may
 *    have a smaller one: where the MTU of the out-device is known and smaller, it counts. IPv6 has no smaller one than 1280. So a fragment is the kernel's if another than the last of its datagram has more
 *    than 544 or 1272 bytes (IPv4: or than the device's MTU less eight) and ends at a multiple of eight, and in IPv6 stands behind no other headers than hop-by-hop options, routing, and destination options
 *    that no routing header is before (ip6_find_1stfragopt). The last one is known by where its data begins, and is the kernel's only if others of its datagram, which are sent before it, wait: alone, it meets the rules by
 *    itself, also where the capture began behind the others, or has them in another order (then those wait for ever). Fragments that a tool makes so large (scapy's) are taken for the kernel's.
 * What a capture of all devices has of a port of a bridge or bond (`isPort`; only headers with numbers tell) is unseen: the bridge or bond has it, too, if it is for the IP stack.
 * The record's own device: that whose `index` is the number in its header (Linux cooked captures of version 2, "-i any"), else the one that pcapng names (if_name).
 * Interface of an arriving packet: the record's own, else `in`, else the device of the route back to its source, if routing finds a unicast or a broadcast one (the
 * host's own addresses first, then the longest prefix, then the lowest metric; never `lo`), else the first interface that is not `lo`, else `eth0`. Of a leaving packet: the record's
 * own, else `out`, else the route's device, else `in`, else the first interface that is not `lo`, else `eth0`. Out of a forwarded packet: the route's device (longest prefix, then lowest metric),
 * else `out`, else no route. LOOPBACK: `lo` both.
 */
import type { Family, Words } from './ruleset.ts';

export interface HostAddress {
  family: Family;
  address: Words;
  prefix: number;
  /** IPv4 broadcast address of the network (as `ip -j addr` gives it, or derived when the prefix is < 31). */
  broadcast?: Words;
}

export interface HostInterface {
  name: string;
  /** Its number (ifindex), when known: captures of "any" have it in every header. */
  index?: number;
  /** A port of a bridge or bond: what is captured at it is no packet of the IP stack there. */
  isPort?: boolean;
  /** Six bytes, when known: packets that arrive in frames to another unicast address are for another host. Where the capture does not name the device, those to the MAC of any device are for this one. */
  mac?: readonly number[];
  mtu?: number;
  addresses: HostAddress[];
}

export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'multicast'
  | 'anycast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw';

export interface Route {
  family: Family;
  destination: Words;
  prefix: number;
  type: RouteType;
  /** Interface name; undefined for blackhole and the like. */
  device?: string;
  /** The router that packets are handed to (`via`), of the route's family; undefined where they go to their destination itself. */
  gateway?: Words;
  metric: number;
}

/** A group that a device has joined: what arrives there for it is for this host. */
export interface JoinedGroup {
  family: Family;
  address: Words;
  device: string;
}

/** A transparent socket of the host (IP_TRANSPARENT), which TPROXY gives packets to. */
export interface ProxySocket {
  protocol: 6 | 17;
  /** undefined: bound to no address, of whatever family. */
  family?: Family;
  address?: Words;
  port: number;
}

export interface Host {
  /** Always holds `lo` with 127.0.0.1/8 and ::1/128 (buildHost sees to it). */
  interfaces: HostInterface[];
  /** Everything a lookup needs: connected and given routes, local and broadcast routes of the addresses (buildHost adds them). */
  routes: Route[];
  forward: boolean;
  /** With `forward`: nobody said where packets arrive, `in` is only what is usual; a capture that tells devices knows better. */
  recordedWays?: boolean;
  /** With `forward`: the capture has what was sent on twice, and says which came in and which went out; the latter is not judged. */
  copiesLeave?: boolean;
  /** Groups that were told (`ip -j maddr`), beside those that every kernel joins. */
  groups?: readonly JoinedGroup[];
  /** Sockets for TPROXY; none when not given. */
  proxies?: readonly ProxySocket[];
  /** Arriving packets whose mark has this value under this mask are for the host itself, whatever their address: `ip rule add fwmark ... lookup`, a table with `local default dev lo`. The local table is asked before. */
  localMark?: { value: number; mask: number };
  in?: string;
  out?: string;
  /** How the model came about: `given`, or what was guessed, one line each; goes into the report's first lines. */
  notes: string[];
  /** True when nothing was given and addresses were guessed from the capture. */
  guessed: boolean;
}

/** The interface of that name, made when it is not there yet. */
export function interfaceNamed(host: Host, name: string): HostInterface {
  const known = host.interfaces.find((entry) => entry.name === name);
  if (known !== undefined) return known;
  const made: HostInterface = { name, addresses: [] };
  host.interfaces.push(made);
  return made;
}
