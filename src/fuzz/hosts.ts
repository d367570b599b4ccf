/** Random hosts and settings, for the witnesses that are programs: kernels are asked with the plain ones. */
import type { Draw } from '../extensions/extension.ts';
import type { HostGiven } from '../model/host-build.ts';
import type { Profile } from '../model/profile.ts';
import type { Family } from '../model/ruleset.ts';
import type { TrafficFeatures } from './packets.ts';
import { DEVICE_INDEX, LOCAL, LOCAL_BROADCAST, MACS, OWN_MAC, PORTS, REMOTE } from './pools.ts';

const OTHER_MAC = '02:00:00:00:00:02';

/** The host that needs no files to be described. */
export const plainHost = (topology: TrafficFeatures['topology'], family: Family): HostGiven =>
  topology === 'forward' ? { forward: true, in: 'eth0', out: 'eth1' } : { local: [LOCAL[family]], in: 'eth0' };

/** One with a network, so that there is a broadcast address (LOCAL_BROADCAST). */
export const networkedHost = (): HostGiven => ({
  addresses: [{ ifname: 'eth0', addr_info: [{ family: 'inet', local: LOCAL[4], prefixlen: 24, broadcast: LOCAL_BROADCAST }] }],
  routes: [[{ dst: 'default', dev: 'eth0' }]],
  in: 'eth0',
});

/** Mostly the plain one; now and then with two devices, their MTUs, and routes that do not lead everywhere. */
export function drawHost(draw: Draw, topology: TrafficFeatures['topology'], family: Family): HostGiven {
  if (topology === 'forward' || draw.chance(0.6)) return plainHost(topology, family);
  const [near = '', second = '', third = '', far = ''] = REMOTE[family];
  const [inet, prefix, everything] = family === 4 ? (['inet', 24, '0.0.0.0/0'] as const) : (['inet6', 64, '::/0'] as const);
  // Frames to the host bear OWN_MAC; a device with the MAC of a sender makes its packets the host's own, and others' those of another host.
  const macs = draw.pick([undefined, undefined, undefined, [OWN_MAC, MACS[0]!], [OTHER_MAC, OWN_MAC], [OTHER_MAC, MACS[1]!]]);
  const device = (ifindex: number, ifname: string, address: string, mac?: string) => ({
    ifindex,
    ifname,
    ...(mac !== undefined && { address: mac }),
    mtu: draw.pick([1500, 1500, 60, 1280]),
    addr_info: [{ family: inet, local: address, prefixlen: draw.pick([prefix, prefix + 8 - 1]) }],
  });
  const route = (dst: string, dev: string) => ({ dst, dev });
  const kinds = ['unreachable', 'blackhole', 'prohibit', 'throw'];
  const routes = [
    ...(draw.chance(0.7) ? [route(everything, draw.pick(['eth0', 'eth1']))] : []),
    ...(draw.chance(0.5) ? [route(far, 'eth1')] : []),
    ...(draw.chance(0.3) ? [{ type: draw.pick(kinds), dst: second }] : []),
    ...(draw.chance(0.3) ? [route(near, 'eth1')] : []),
  ];
  return {
    addresses: [device(DEVICE_INDEX + 1, 'eth0', LOCAL[family], macs?.[0]), device(DEVICE_INDEX, 'eth1', third, macs?.[1])],
    routes: [routes],
    ...(draw.chance(0.5) ? { in: 'eth0' } : {}),
  };
}

/** With proxies at the ports that rules name, now and then reachable: a rule of routing makes marked packets the host's own. */
export const withProxies = (draw: Draw, given: HostGiven): HostGiven => ({
  ...given,
  proxies: PORTS.flatMap((port) => [`tcp:${port}`, `udp:${port}`]),
  ...(draw.chance(0.3) ? { localMark: '1/1' } : {}),
});

/** Values beside the defaults. */
const SYSCTLS: Readonly<Record<string, readonly number[]>> = {
  nf_conntrack_checksum: [0],
  nf_conntrack_tcp_loose: [0],
  nf_conntrack_tcp_be_liberal: [1],
  nf_conntrack_tcp_ignore_invalid_rst: [1],
  nf_conntrack_tcp_max_retrans: [0, 1, 5],
  nf_conntrack_tcp_timeout_syn_sent: [20],
  nf_conntrack_tcp_timeout_established: [200, 86_400],
  nf_conntrack_tcp_timeout_close_wait: [45],
  nf_conntrack_tcp_timeout_unacknowledged: [150],
  nf_conntrack_tcp_timeout_max_retrans: [100],
  nf_conntrack_udp_timeout: [10],
  nf_conntrack_udp_timeout_stream: [180],
  nf_conntrack_icmp_timeout: [5],
  nf_conntrack_generic_timeout: [60],
  nf_conntrack_gre_timeout_stream: [90],
  nf_conntrack_max: [1, 2, 4, 8],
  // So few that the kernel finds what could go.
  nf_conntrack_buckets: [16],
  'net.ipv4.ip_forward': [0],
  'net.ipv6.conf.all.forwarding': [0],
  'net.ipv4.conf.all.rp_filter': [1, 2],
};

/** Mostly none, else a few. */
export function drawSysctls(draw: Draw): Profile['sysctls'] {
  if (draw.chance(0.6)) return {};
  const names = Object.keys(SYSCTLS);
  const chosen = Array.from({ length: draw.integer(1, 4) }, () => draw.pick(names));
  return Object.fromEntries(chosen.map((name) => [name, draw.pick(SYSCTLS[name]!)]));
}
