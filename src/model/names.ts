/** Protocol and service names, as a Debian host with iptables 1.8.9 resolves and prints them. Built in, so that results do not depend on the machine. */
import { parseUnsigned } from './numbers.ts';
import { readServices } from './services.ts';

/** IANA protocol numbers by the name iptables prints. */
const PROTOCOLS = `0 ip; 1 icmp; 2 igmp; 3 ggp; 4 ipencap; 5 st; 6 tcp; 8 egp; 9 igp; 12 pup; 17 udp; 20 hmp; 22 xns-idp; 27 rdp; 29 iso-tp4;
33 dccp; 36 xtp; 37 ddp; 38 idpr-cmtp; 41 ipv6; 43 ipv6-route; 44 ipv6-frag; 45 idrp; 46 rsvp; 47 gre; 50 esp; 51 ah; 57 skip; 58 ipv6-icmp;
59 ipv6-nonxt; 60 ipv6-opts; 73 rspf; 81 vmtp; 88 eigrp; 89 ospf; 93 ax.25; 94 ipip; 97 etherip; 98 encap; 103 pim; 108 ipcomp; 112 vrrp;
115 l2tp; 124 isis; 132 sctp; 133 fc; 135 mobility-header; 136 udplite; 137 mpls-in-ip; 138 manet; 139 hip; 140 shim6; 141 wesp; 142 rohc;
143 ethernet; 262 mptcp`;

/** Names that are understood and never printed. */
const ALIASES: readonly (readonly [string, number])[] = [
  ['all', 0],
  ['hopopt', 0],
  ['icmpv6', 58],
  ['ipv6-mh', 135],
  ['mh', 135],
];

const numberOf = new Map<string, number>(ALIASES);
const nameOf = new Map<number, string>();
for (const entry of PROTOCOLS.split(';')) {
  const [number = '', name = ''] = entry.trim().split(' ');
  numberOf.set(name, Number(number));
  nameOf.set(Number(number), name);
}

/** A protocol by its lower-case name (not by number); `all` is 0. */
export function protocolByName(name: string): number | undefined {
  return numberOf.get(name);
}

/** The name iptables-save prints for a protocol number; undefined where it prints the number. */
export function protocolName(number: number): string | undefined {
  return nameOf.get(number);
}

/** All protocol names that `-p` takes, the common ones first. */
export function protocolNames(): string[] {
  const common = ['tcp', 'udp', 'icmp', 'icmpv6', 'all'];
  return [...common, ...numberOf.keys()];
}

/** What `-p` takes: a number up to 255 (decimal, octal, hexadecimal) or a name in any case. */
export function parseProtocol(text: string): number | undefined {
  return parseUnsigned(text, 255) ?? protocolByName(text.toLowerCase());
}

interface Services {
  /** By `name/protocol`, and by `name/` where any will do. */
  portOf: Map<string, number>;
  /** By `port/protocol`. */
  nameOf: Map<string, string>;
}

let known: Services | undefined;

/** Read when the first name is asked for: most rules have numbers, and it takes milliseconds. */
function services(): Services {
  if (known !== undefined) return known;
  const [portOf, nameOf] = [new Map<string, number>(), new Map<string, string>()];
  for (const { port, protocol, names } of readServices()) {
    for (const name of names) {
      for (const key of [`${name}/${protocol}`, `${name}/`]) if (!portOf.has(key)) portOf.set(key, port);
    }
    const [canonical] = names;
    if (canonical !== undefined && !nameOf.has(`${port}/${protocol}`)) nameOf.set(`${port}/${protocol}`, canonical);
  }
  known = { portOf, nameOf };
  return known;
}

/**
 * The port of a service name, case-sensitive as getservbyname. `protocol` is a name (`tcp`, `udp`, `sctp`...) or a protocol number;
 * without one any protocol will do.
 */
export function serviceByName(name: string, protocol?: string | number): number | undefined {
  const wanted = typeof protocol === 'number' ? (protocolName(protocol) ?? String(protocol)) : (protocol ?? '');
  return services().portOf.get(`${name}/${wanted}`);
}

/** The canonical service name of a port, undefined when there is none. */
export function serviceByPort(port: number, protocol: string | number): string | undefined {
  const wanted = typeof protocol === 'number' ? (protocolName(protocol) ?? String(protocol)) : protocol;
  return services().nameOf.get(`${port}/${wanted}`);
}
