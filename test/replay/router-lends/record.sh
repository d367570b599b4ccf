#!/bin/bash
# Records what "tcpdump -i any" (LINKTYPE_LINUX_SLL2) has of a router that translates sources to an address that it has not itself, where nobody answers for the address a packet is sent on to: its own "host unreachable" is
# to that address, until nat OUTPUT turns it to the packet's sender. By real iptables in network namespaces of its own, once for each backend:
#   legacy.pcap, nft.pcap   the captures
#   legacy.v4, .v6 ...      what iptables-*-save -c and ip6tables-*-save -c say afterwards
#   addr.json, route.json   "ip -j addr", "ip -j route" (and, route6.json, "ip -6 -j route") of the router
# Run as root: test/replay/router-lends/record.sh
source "$(dirname "$0")/../recording.sh"

small_router
on pc ip addr add 2001:db8:7::10/64 dev eth0 nodad
on router ip addr add 2001:db8:7::1/64 dev lan0 nodad
on router ip addr add 2001:db8:71::1/64 dev wan0 nodad
on inet ip addr add 2001:db8:71::10/64 dev eth0 nodad
on pc ip -6 route add default via 2001:db8:7::1
on router sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.icmp.ratelimit=0 net.ipv4.icmp_ratelimit=0
sleep 4
ask() { on pc timeout 5 bash -c "exec 3<>/dev/$1/$2/$3 && echo question >&3 && read -t 4 -u 3" || true; }

record() {
  local backend=$1
  on router iptables-$backend-restore "$here/rules.v4"
  on router ip6tables-$backend-restore "$here/rules.v6"
  on router ip neigh flush all
  on pc ping -c 1 -W 1 192.168.7.1 >/dev/null
  on pc ping -c 1 -W 1 2001:db8:7::1 >/dev/null
  on router conntrack -F 2>/dev/null
  on router tcpdump -Z root -n -U -B 20000 -w "/run/$backend.pcap" -i any 'ip or (ip6 and not net fe80::/10 and not net ff00::/8)' 2>/run/log &
  local capture=$!
  until grep -q 'listening on' /run/log; do sleep 0.1; done
  sleep 1
  for table in mangle nat filter; do for tool in iptables ip6tables; do on router $tool-$backend -t $table -Z; done; done
  ask udp 203.0.113.77 53
  ask tcp 203.0.113.77 80
  on pc ping -c 1 -W 5 203.0.113.77 >/dev/null || true
  ask udp 198.18.0.5 53
  ask udp 2001:db8:71::77 53
  ask tcp 2001:db8:71::77 80
  on pc ping -c 1 -W 5 2001:db8:71::77 >/dev/null || true
  ask udp 2001:db8:5::5 53
  sleep 1
  kill -INT "$capture"
  sleep 0.5
  on router iptables-$backend-save -c >"$here/$backend.v4"
  on router ip6tables-$backend-save -c >"$here/$backend.v6"
  cp "/run/$backend.pcap" "$here/"
  for table in mangle nat filter; do for tool in iptables ip6tables; do on router $tool-$backend -t $table -F; done; done
  if [ $backend = nft ]; then on router nft flush ruleset; fi
}
for backend in legacy nft; do record $backend; done
on router ip -j addr >"$here/addr.json"
on router ip -j route >"$here/route.json"
on router ip -6 -j route >"$here/route6.json"
