/** What the oracle is asked and what it answers. Plain data; nothing here touches the machine. */

import type { ProxySocket } from '../model/host.ts';
import type { ConntrackEntry, ConntrackExpectation, HookName, TableCounters, Verdict } from '../model/outcome.ts';
import type { Family } from '../model/ruleset.ts';

/** One packet to put on the wire, or to send from the firewall host itself. */
export interface KernelFrame {
  /** Nanoseconds since the epoch; only differences count, and only with spacing `real`. */
  time: bigint;
  /** From the IP header on, as in the capture (Ethernet padding included, link header not). */
  bytes: Uint8Array;
  /** in: arrives at a device of the firewall. out: sent by the firewall host itself (a raw socket, so OUTPUT sees it). */
  direction: 'in' | 'out';
  /** Destination MAC of an incoming frame; default `host`, the device's own. `other` is somebody else's (the stack drops it). */
  dstMacKind?: 'host' | 'broadcast' | 'multicast' | 'other';
  /** The very destination MAC; goes before `dstMacKind`. */
  dstMac?: string;
  /** Source MAC of an incoming frame (`02:00:00:00:00:99`). */
  srcMac?: string;
  /** Device an incoming frame arrives at (default the job's `inIface`), or that an outgoing one is bound to (default: as routed). */
  iface?: string;
  /**
   * It may be what the firewall itself answers to a packet before it (REJECT): where the kernel sends the very same, this one is not injected. `only`: it is never injected, being the copy of a forwarded packet if it
   * is no answer.
   */
  answer?: 'maybe' | 'only';
  /** Decides the EtherType. Default: the job's family, or the version nibble when the job has rules of both families. */
  family?: Family;
}

/**
 * Fragments can be asked about like other packets. Where a rule of their family needs conntrack, all but the last of a packet are kept before the first table (no path, no
 * verdict, nothing leaves) and the last one stands for the whole: its path, counters and verdict are the packet's, and the fragments leave with it, as they came.
 * Without conntrack each is judged for itself in FORWARD, in OUTPUT and, of IPv6, in INPUT; of IPv4 packets for the host itself each meets PREROUTING, and what is whole then
 * meets INPUT once (ip_local_deliver reassembles before the hook). Reassembly has the kernel's time (30 seconds; IPv6 60): what comes later begins anew.
 */
export interface KernelJob {
  backend: 'legacy' | 'nft';
  family: Family;
  /** iptables-save text; reaches iptables-*-restore by standard input. */
  rules: string;
  /** Rules of the other family, for a dual-stack host. */
  rulesOther?: string;
  /** Sets that the rules ask: what `ipset restore` reads, before them. */
  sets?: string;
  /** Commands that are run before the rules are loaded, each with its input. */
  beforehand?: readonly { argv: readonly string[]; input?: string }[];
  /** Commands that are run with the listing of connections, when all packets are through. */
  afterwards?: readonly (readonly string[])[];
  /** forward: everything that arrives is routed to `outIface`. host: the firewall owns `local`. */
  topology: 'forward' | 'host';
  frames: KernelFrame[];
  /** Addresses of the firewall host: `ADDR[/PREFIX][%DEVICE]`; prefix 32/128 and device `inIface` when not given. */
  local?: string[];
  /** Multicast groups the host has joined besides the kernel's own: `ADDR[%DEVICE]`. */
  groups?: string[];
  /** Default eth0. */
  inIface?: string;
  /** Default: eth1 for `forward`, `inIface` for `host`. */
  outIface?: string;
  /** Words after `ip route add`, one route each: `10.0.0.0/8 dev eth0`. The default route goes to `outIface`. */
  routes?: string[];
  /** False: no default route but what `routes` says. */
  defaultRoute?: boolean;
  /** Hardware address and MTU by device; 02:00:00:00:00:01, 02... and 65535 when not given. */
  links?: Record<string, { mac?: string; mtu?: number }>;
  /** Transparent sockets that listen while frames are sent: protocol number, address (of no family: of both) and port. */
  proxies?: readonly ProxySocket[];
  /** Packets with this mark, `VALUE/MASK`, are for the firewall itself, unless the local table knows better. */
  localMark?: string;
  /** More lines for `ip -batch`, behind devices, addresses and routes: `link set eth0 group 5`. */
  ip?: readonly string[];
  /** `net.` names with dots (or slashes, where a device name has dots). Set before the rules are loaded. */
  sysctls?: Record<string, string>;
  /** Ask for the path and verdict of every packet. */
  trace: boolean;
  /** topspeed: one packet after the other, each when the one before is through (default). real: at the distances of their times. */
  spacing?: 'topspeed' | 'real';
  /** Milliseconds the whole job may take; default 60,000 plus the capture's own length with spacing `real`. */
  timeout?: number;
}

/** What became of one frame. */
export interface KernelPacket {
  /** Every matching rule, return and policy in TRACE's words, in order (`filter:FORWARD:rule:5`). Only with `trace`. */
  path?: string[];
  /** null: it never met INPUT, FORWARD or OUTPUT (dropped or kept before). Only with `trace`. */
  hook?: HookName | null;
  /** Only with `trace`; absent where the kernel does not say (fragments kept for reassembly, packets that never reached netfilter). */
  verdict?: Verdict;
  /** True when netfilter saw the packet (PREROUTING or OUTPUT). Only with `trace`. */
  entered?: boolean;
  /** What conntrack logged about it, with `trace` and the sysctl net.netfilter.nf_conntrack_log_invalid=255: also of packets that it lets through. */
  invalid?: string[];
  /** The IP bytes of what left a device of the firewall because of this frame, in order. Usually none or one; more for fragments and TEE. */
  left: Uint8Array[];
  /** When it was sent, nanoseconds since the epoch. */
  injected: bigint;
  /** It was not injected: the kernel sent the same itself, as its answer to a frame before. Its identification, and a checksum that is left to the device, are the kernel's own. */
  ownAnswer?: true;
  /** Why it could not be sent (the raw socket refuses truncated packets and broken headers). */
  unsent?: string;
}

export interface KernelOutcome {
  counters: TableCounters;
  /** Of `rulesOther`. */
  countersOther?: TableCounters;
  /** What `iptables-*-save -c` printed after the run. */
  saved: string;
  savedOther?: string;
  /** One for every frame, in order. */
  packets: KernelPacket[];
  /** What `conntrack -L -o extended` printed after the run, of all families that have rules. Connections whose time is over are not in it. */
  conntrack: string;
  /** The same as data. */
  entries: ConntrackEntry[];
  /** What `conntrack -L expect` printed, as data. */
  expectations: ConntrackExpectation[];
  /** What the job's `afterwards` printed. */
  afterwards: string[];
  /**
   * Nanoseconds since the epoch (the clock of `injected`) before and after the listing: every timeout in `entries` and `expectations` is what was left at a moment between the two,
   * in whole seconds, rounded down.
   */
  listed: { from: bigint; to: bigint };
  /** Set when iptables-*-restore refused the rules; nothing was injected then. */
  refused?: { exit: number; stderr: string };
  kernel: KernelIdentity;
}

export interface KernelIdentity {
  /** `uname -r`. */
  release: string;
  /** CONFIG_HZ; 0 when it cannot be found out. */
  hz: number;
  /** What `iptables-* --version` prints. */
  iptables: string;
}

/** The oracle itself failed (not the rules): a tool, a right, a time limit, lost records. */
export class KernelError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'KernelError';
  }
}
