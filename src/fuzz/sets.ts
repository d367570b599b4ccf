/** The sets of ipset that random rules ask (extensions/set.ts draws their names): one of each type the running kernel has, with elements that packets have. */
import type { IpSet } from '../model/ipset.ts';
import { parseIpsets } from '../syntax/ipset.ts';

/** What `ipset restore` reads. */
export const SETS_TEXT = `create f4_ip hash:ip counters
add f4_ip 10.9.0.1 packets 3 bytes 300
add f4_ip 10.9.0.2
add f4_ip 192.0.2.77
create f4_masked hash:ip netmask 24
add f4_masked 10.9.0.0
create f4_net hash:net counters
add f4_net 10.0.0.0/8
add f4_net 10.9.0.0/24 nomatch
add f4_net 10.9.0.2
add f4_net 128.0.0.0/1
create f4_port hash:ip,port
add f4_port 10.9.0.1,tcp:80
add f4_port 10.9.0.1,udp:53
add f4_port 10.9.0.2,icmp:8/0
add f4_port 10.9.0.2,icmp:0/0
add f4_port 10.9.0.1,tcp:22
add f4_port 10.9.0.1,47:0
add f4_port 192.0.2.77,sctp:80
create f4_netport hash:net,port
add f4_netport 10.0.0.0/8,tcp:443
add f4_netport 10.9.0.0/16,tcp:80
add f4_netport 10.9.0.1,tcp:80 nomatch
add f4_netport 128.0.0.0/1,udp:53
create f4_portip hash:ip,port,ip counters
add f4_portip 10.9.0.1,tcp:80,10.9.0.2
add f4_portip 10.9.0.2,tcp:80,10.9.0.1
add f4_portip 10.9.0.1,udp:53,10.9.0.2
add f4_portip 10.9.0.2,tcp:22,10.9.0.1
create f4_portnet hash:ip,port,net
add f4_portnet 10.9.0.1,tcp:80,10.0.0.0/8
add f4_portnet 10.9.0.2,tcp:80,10.9.0.0/24
add f4_portnet 10.9.0.2,udp:53,0.0.0.0/1
add f4_portnet 10.9.0.2,udp:53,10.9.0.0/30 nomatch
create f4_bitmap bitmap:ip range 10.9.0.0-10.9.1.255 netmask 30
add f4_bitmap 10.9.0.0
create f_ports bitmap:port range 0-1024 counters
add f_ports 22
add f_ports 53
add f_ports 80
add f_ports 1024
create f4_live hash:ip timeout 600 counters skbinfo maxelem 4
add f4_live 10.9.0.3 timeout 300 skbmark 0x2/0xff packets 7 bytes 700
add f4_live 10.9.0.9 timeout 0
create f4_class hash:net,port skbinfo comment timeout 0
add f4_class 10.9.0.0/16,tcp:80 skbmark 0x100/0xf00 skbprio 1:10
add f4_class 10.9.0.0/24,udp:53 skbmark 0x1 comment "dns servers"
add f4_class 10.9.0.0/24,tcp:443 nomatch skbmark 0xff
create f4_dev hash:net,iface counters
add f4_dev 10.9.0.0/16,eth0
add f4_dev 10.9.0.0/24,eth1
add f4_dev 10.9.0.0/24,eth wildcard nomatch
add f4_dev 10.9.0.2,wlan0
add f4_dev 0.0.0.0/0,eth1
create f4_holes hash:ip,port bitmask 255.0.0.255
add f4_holes 10.0.0.1,tcp:80
add f4_holes 10.0.0.2,udp:53
create f4_mac bitmap:ip,mac range 10.9.0.0/23 timeout 600 counters
add f4_mac 10.9.0.1 packets 5
add f4_mac 10.9.0.2,02:00:00:00:00:99 timeout 0
add f4_mac 10.9.0.3 timeout 900
add f4_mac 10.9.1.2,02:00:00:00:00:98
create f4_list list:set counters
add f4_list f4_net
add f4_list f4_live
add f4_list f4_port
add f4_list f4_ip
create f6_ip hash:ip family inet6
add f6_ip 2001:db8:9::1
add f6_ip fd00::200
create f6_net hash:net family inet6 counters
add f6_net 2001:db8::/32
add f6_net 2001:db8:9::/64 nomatch
add f6_net 2001:db8:9::2
add f6_net fc00::/7
create f6_port hash:ip,port family inet6
add f6_port 2001:db8:9::1,tcp:80
add f6_port 2001:db8:9::1,udp:53
add f6_port 2001:db8:9::2,icmpv6:128/0
add f6_port 2001:db8:9::2,icmpv6:129/0
create f6_portnet hash:ip,port,net family inet6
add f6_portnet 2001:db8:9::1,tcp:80,2001:db8::/32
add f6_portnet 2001:db8:9::2,tcp:22,2001:db8:9::/48
create f6_live hash:ip family inet6 timeout 600 counters skbinfo maxelem 4
add f6_live 2001:db8:9::3 timeout 300 skbmark 0x2/0xff packets 7 bytes 700
create f6_class hash:net,port family inet6 skbinfo comment timeout 0
add f6_class 2001:db8:9::/48,tcp:80 skbmark 0x100/0xf00 skbprio 1:10
add f6_class 2001:db8:9::/64,udp:53 skbmark 0x1 comment "dns servers"
create f6_dev hash:net,iface family inet6
add f6_dev 2001:db8::/32,eth wildcard
add f6_dev 2001:db8:9::/64,eth1 nomatch
add f6_dev ::/0,eth0
create f6_list list:set
add f6_list f6_port
add f6_list f_ports
add f6_list f6_net
`;

let parsed: readonly IpSet[] | undefined;

/** The sets of a rule set's text; none where it asks none. */
export function setsOf(rules: string): readonly IpSet[] {
  if (!asksSets(rules)) return [];
  parsed ??= parseIpsets(SETS_TEXT, 'sets');
  return parsed;
}

export const asksSets = (rules: string): boolean => /-m set |-j SET /.test(rules);
