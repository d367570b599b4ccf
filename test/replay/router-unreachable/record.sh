#!/bin/bash
# Records what "tcpdump -i any" (LINKTYPE_LINUX_SLL2) has of a router that translates sources, where nobody answers for the address a packet is sent on to: the router's own "host unreachable" tells of the packet as it
# left. By real iptables in network namespaces of its own, once for each backend:
#   legacy.pcap, nft.pcap   the captures
#   legacy.v4, .v6 ...      what iptables-*-save -c and ip6tables-*-save -c say afterwards
#   addr.json, route.json   "ip -j addr", "ip -j route" (and, route6.json, "ip -6 -j route") of the router
# Run as root: test/replay/router-unreachable/record.sh
source "$(dirname "$0")/../recording.sh"

small_router6
cat >/run/ask.py <<'PYTHON'
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
ask = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_STREAM if kind == 'tcp' else socket.SOCK_DGRAM)
ask.settimeout(5)
try:
    ask.connect((address, port))
    ask.send(b'question')
    ask.recv(100)
except OSError as error:
    print(kind, address, error)
PYTHON

record() {
  local backend=$1
  on router iptables-$backend-restore "$here/rules.v4"
  on router ip6tables-$backend-restore "$here/rules.v6"
  on router conntrack -F 2>/dev/null
  on router ip neigh flush all
  on pc ping -c 1 -W 2 203.0.113.10 >/dev/null || true
  on pc ping -c 1 -W 2 2001:db8:71::10 >/dev/null || true
  on router conntrack -F 2>/dev/null
  watch_router $backend
  on pc python3 /run/ask.py udp 203.0.113.77 53
  on pc python3 /run/ask.py tcp 203.0.113.77 80
  on pc ping -c 1 -W 5 203.0.113.77 >/dev/null || true
  on pc python3 /run/ask.py udp 198.18.0.5 53
  on pc ping -c 1 -W 2 203.0.113.10 >/dev/null
  on pc python3 /run/ask.py udp 2001:db8:71::77 53
  on pc python3 /run/ask.py tcp 2001:db8:71::77 80
  on pc ping -c 1 -W 5 2001:db8:71::77 >/dev/null || true
  on pc python3 /run/ask.py udp 2001:db8:5::5 53
  keep_router $backend
}
for backend in legacy nft; do record $backend; done
on router ip -j addr >"$here/addr.json"
on router ip -j route >"$here/route.json"
on router ip -6 -j route >"$here/route6.json"
