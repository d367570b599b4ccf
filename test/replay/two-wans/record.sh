#!/bin/bash
# Records any.pcap on a router with two ways out ("tcpdump -i any", LINKTYPE_LINUX_SLL2): packets come in where no route to their source leads, and own ones leave by another device than the
# main table says. By real iptables in network namespaces of its own:
#   addr.json, route.json   "ip -j addr" and "ip -j route" of the router
#   counters.v4, .v6        what iptables-save -c and ip6tables-save -c say afterwards
# Run as root: test/replay/two-wans/record.sh
source "$(dirname "$0")/../recording.sh"

namespaces pc router isp0 isp1
# In this order: their numbers are those of no list of names.
ip link add eth0 netns isp1 type veth peer name wan1 netns router
ip link add eth0 netns pc type veth peer name lan0 netns router
ip link add eth0 netns isp0 type veth peer name wan0 netns router
on pc ip addr add 192.168.7.10/24 dev eth0
on router ip addr add 192.168.7.1/24 dev lan0
on router ip addr add 203.0.113.1/24 dev wan0
on router ip addr add 198.51.100.1/24 dev wan1
on isp0 ip addr add 203.0.113.10/24 dev eth0
on isp1 ip addr add 198.51.100.10/24 dev eth0
# Sources that lie behind another device, or nowhere.
on isp0 ip addr add 10.1.2.3/32 dev eth0
for source in 10.1.2.3/32 192.168.9.9/32 192.0.2.9/32; do on isp1 ip addr add $source dev eth0; done
# shellcheck disable=SC2086
for end in 'pc eth0' 'isp0 eth0' 'isp1 eth0' 'router lan0' 'router wan0' 'router wan1'; do plug $end; done
on pc ip route add default via 192.168.7.1
on isp0 ip route add 192.168.7.0/24 via 203.0.113.1
on isp1 ip route add 192.168.7.0/24 via 198.51.100.1
on router ip route add default via 203.0.113.10
# What the router itself sends from its second address leaves by the second way.
on router ip rule add from 198.51.100.1 lookup 100
on router ip route add default via 198.51.100.10 table 100
on router sysctl -qw net.ipv4.ip_forward=1
on router iptables-legacy-restore "$here/rules.v4"
on router ip6tables-legacy-restore "$here/rules.v6"

cat >/run/send.py <<'PYTHON'
import socket, sys
# From an address (- : whatever the kernel takes) to another one.
source, address, port = sys.argv[1:]
family, kind, _, _, to = socket.getaddrinfo(address, int(port), type=socket.SOCK_DGRAM)[0]
out = socket.socket(family, kind)
if source != '-':
    out.bind((source, 4000))
out.sendto(b'question', to)
PYTHON
sleep 3
watch router any
on isp0 python3 /run/send.py 10.1.2.3 203.0.113.1 9
on isp1 python3 /run/send.py 10.1.2.3 198.51.100.1 9
on isp1 python3 /run/send.py 192.168.9.9 198.51.100.1 9
on isp1 python3 /run/send.py 192.0.2.9 198.51.100.1 53
on isp0 python3 /run/send.py 203.0.113.10 203.0.113.1 53
# To the address of the other way.
on isp1 ip route add 203.0.113.1 via 198.51.100.1
on isp1 python3 /run/send.py 198.51.100.10 203.0.113.1 53
on isp1 python3 /run/send.py 192.0.2.9 192.168.7.10 9
on pc ping -c 2 -i 0.3 203.0.113.10 >/dev/null
on pc ping -c 2 -i 0.3 198.51.100.10 >/dev/null
on router python3 /run/send.py 198.51.100.1 203.0.113.77 9
on router python3 /run/send.py 198.51.100.1 8.8.8.8 9
on router python3 /run/send.py 203.0.113.1 8.8.8.8 9
on router ping -c 1 127.0.0.1 >/dev/null
linked() { on "$1" ip -j -6 addr show dev "$2" scope link | grep -o 'fe80::[0-9a-f:]*'; }
for way in 'pc lan0' 'isp0 wan0' 'isp1 wan1'; do
  # shellcheck disable=SC2086
  set -- $way
  on router python3 /run/send.py - "$(linked "$1" eth0)%$2" 9
  on "$1" python3 /run/send.py - "$(linked router "$2")%eth0" 9
done
on router ip -j route >"$here/route.json"
keep router any
