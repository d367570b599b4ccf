/** Usual rule sets and usual captures, each with each: what is usual is not to cost much more than what is most usual. */
import { buildHost, type HostGiven } from '../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../src/model/profile.ts';
import { parseSave } from '../src/syntax/index.ts';
import type { Workload } from './suite.ts';
import { brief, large, lossy, page, ping, probe, question, quic, shell, type Talk, talking, type View, voice } from './talks.ts';
import { hostSets, type NamedSet, routerSets } from './usual-sets.ts';

const HOST: HostGiven = { local: ['10.1.2.3', '2001:db8::a01:203'], in: 'eth0' };
const ROUTER: HostGiven = {
  local: ['203.0.113.1/24@eth0', '192.168.0.1/16@eth1', '172.17.0.1/16@eth1'],
  routes: [[{ dst: 'default', dev: 'eth0' }]],
};
const ROUTER_WORD = 0xcb007101;
/** Clients of a host; hosts of a private network that ask others, as a router sees them, and as one that translates; clients of a container. */
const ASKED: View = { client: (number) => 0x0b000000 + number, server: 0x0a010203 };
const ROUTED: View = { client: (number) => 0xc0a80102 + number, server: 0xc6336401 };
const HIDDEN: View = { ...ROUTED, clientSeen: ROUTER_WORD };
const CONTAINED: View = { ...ASKED, server: ROUTER_WORD, serverSeen: 0xac110002 };

/** Conversations, so many at a time. */
interface Mix {
  name: string;
  talks: readonly Talk[];
  active: number;
}

const MIXES: readonly Mix[] = [
  { name: 'shells', talks: [shell()], active: 500 },
  { name: 'pages', talks: [page()], active: 500 },
  { name: 'pages over a bad line', talks: [lossy()], active: 500 },
  { name: 'brief connections', talks: [brief()], active: 500 },
  { name: 'DNS', talks: [question()], active: 200 },
  { name: 'QUIC', talks: [quic], active: 500 },
  { name: 'voice', talks: [voice], active: 200 },
  { name: 'pings', talks: [ping(20)], active: 100 },
  { name: 'a scan', talks: [probe], active: 10 },
  { name: 'fragments', talks: [large], active: 50 },
  { name: 'some of all', talks: [page(), shell(), brief(), question(), quic, ping(5)], active: 600 },
];

/** One capture and the sets it meets, which all judge it; each workload is made when its turn comes. */
export interface Usual {
  title: string;
  workloads: (() => Workload)[];
}

export function usual(packets: number): Usual[] {
  return [false, true].flatMap((six) => MIXES.map((mix) => usualOf(mix, six, packets)));
}

function usualOf({ name, talks, active }: Mix, six: boolean, packets: number): Usual {
  const captures = new Map<View, Uint8Array>();
  const captureOf = (view: View): Uint8Array => {
    const known = captures.get(view);
    if (known !== undefined) return known;
    const made = talking(
      packets,
      active,
      talks.map((talk) => [talk, { ...view, six }] as const),
    );
    captures.set(view, made);
    return made;
  };
  const one = (set: NamedSet, view: View, host: HostGiven) => (): Workload => {
    const rules = parseSave(six ? asSix(set.rules) : set.rules, { file: set.name, family: six ? 6 : 4 });
    const job = { rules: { [six ? 6 : 4]: rules }, host: buildHost(host), profile: DEFAULT_PROFILE };
    return { name: set.name, capture: captureOf(view), packets, job };
  };
  const hosts = hostSets.map((set) => one(set, ASKED, HOST));
  const routers = routerSets.map((set) => one(set, VIEWS[set.seen], ROUTER));
  return { title: `${name}${six ? ' over IPv6' : ''}`, workloads: six ? hosts : [...hosts, ...routers] };
}

const VIEWS = { routed: ROUTED, hidden: HIDDEN, contained: CONTAINED } as const;

/** The same for IPv6, as programs write it. */
function asSix(rules: string): string {
  return rules
    .replaceAll(/-p icmp -m icmp --icmp-type 8/g, '-p ipv6-icmp -m icmp6 --icmpv6-type 128')
    .replaceAll(/-p icmp -m icmp --icmp-type (\d+)/g, '-p ipv6-icmp -m icmp6 --icmpv6-type $1')
    .replaceAll('-p icmp', '-p ipv6-icmp')
    .replaceAll('icmp-port-unreachable', 'icmp6-port-unreachable')
    .replaceAll('icmp-host-prohibited', 'icmp6-adm-prohibited')
    .replaceAll('255.255.255.255', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')
    .replaceAll(/(\d+)\.(\d+)\.(\d+)\.(\d+)\/32/g, '2001:db8:bad::$1:$2:$3:$4/128')
    .replaceAll('-A INPUT -f -j DROP', '-A INPUT -m frag --fragid 0 --fragmore -j DROP')
    .split('\n')
    .filter((line) => !line.includes('BROADCAST'))
    .join('\n');
}
