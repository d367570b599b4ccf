#!/bin/bash
# Records what "tcpdump -i any" (LINKTYPE_LINUX_SLL2) has of a router that translates sources to an address that it has not itself, where nobody answers for the address a packet is sent on to: its own "host unreachable" is
# to that address, until nat OUTPUT turns it to the packet's sender. By real iptables in network namespaces of its own, once for each backend:
#   legacy.pcap, nft.pcap   the captures
#   legacy.v4, .v6 ...      what iptables-*-save -c and ip6tables-*-save -c say afterwards
#   addr.json, route.json   "ip -j addr", "ip -j route" (and, route6.json, "ip -6 -j route") of the router
# Run as root: test/replay/router-lends/record.sh
source "$(dirname "$0")/../recording.sh"

small_router6
ask() { on pc timeout 5 bash -c "exec 3<>/dev/$1/$2/$3 && echo question >&3 && read -t 4 -u 3" || true; }

record() {
  local backend=$1
  on router iptables-$backend-restore "$here/rules.v4"
  on router ip6tables-$backend-restore "$here/rules.v6"
  on router ip neigh flush all
  on pc ping -c 1 -W 1 192.168.7.1 >/dev/null
  on pc ping -c 1 -W 1 2001:db8:7::1 >/dev/null
  on router conntrack -F 2>/dev/null
  watch_router $backend
  ask udp 203.0.113.77 53
  ask tcp 203.0.113.77 80
  on pc ping -c 1 -W 5 203.0.113.77 >/dev/null || true
  ask udp 198.18.0.5 53
  ask udp 2001:db8:71::77 53
  ask tcp 2001:db8:71::77 80
  on pc ping -c 1 -W 5 2001:db8:71::77 >/dev/null || true
  ask udp 2001:db8:5::5 53
  keep_router $backend
}
for backend in legacy nft; do record $backend; done
on router ip -j addr >"$here/addr.json"
on router ip -j route >"$here/route.json"
on router ip -6 -j route >"$here/route6.json"
