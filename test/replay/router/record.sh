#!/bin/bash
# Records what "tcpdump -i any" (LINKTYPE_LINUX_SLL2) has of a router: every forwarded packet twice, as it came in and as it left, and what the router itself sends, as it left. By real iptables in network namespaces
# of its own, once for each backend and each of the two rule sets (nat.rules.v4 translates, plain.rules.v4 does not):
#   nat.legacy.pcap ... plain.nft.pcap   the captures
#   nat.legacy.v4 ... plain.nft.v4       what iptables-*-save -c says afterwards
#   nat.legacy.conntrack ...             what conntrack -L says then
#   addr.json, route.json                "ip -j addr" and "ip -j route" of the router
# Run as root: test/replay/router/record.sh
source "$(dirname "$0")/../recording.sh"

small_router without-ipv6
on inet ip route add default via 203.0.113.1
on router ip route add default via 203.0.113.10
on router sysctl -qw net.ipv4.conf.wan0.send_redirects=0
# Answers as many as are asked for, or none are held back.
on router sysctl -qw net.ipv4.icmp_ratelimit=0

cat >/run/serve.py <<'PYTHON'
import socket, sys, threading
port = int(sys.argv[1])
tcp = socket.create_server(('', port))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.setsockopt(socket.IPPROTO_IP, 8, 1)
udp.bind(('', port))
def datagrams():
    while True:
        data, controls, _, peer = udp.recvmsg(5000, 100)
        udp.sendto(data.swapcase(), peer)
threading.Thread(target=datagrams, daemon=True).start()
while True:
    peer, _ = tcp.accept()
    peer.recv(100)
    peer.sendall(b'answer')
    peer.close()
PYTHON
on inet python3 /run/serve.py 53 &
on pc python3 /run/serve.py 80 &
on router python3 /run/serve.py 5300 &
cat >/run/ask.py <<'PYTHON'
import socket, sys
# How, whom, from which port (0: any), how many bytes.
kind, address, port, own, size = sys.argv[1], sys.argv[2], *map(int, (sys.argv[3:] + ['0', '8'][len(sys.argv) - 4:]))
ask = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == 'tcp' else socket.SOCK_DGRAM)
ask.settimeout(1)
if own:
    ask.bind(('', own))
try:
    ask.connect((address, port))
    ask.send(b'q' * size)
    print(ask.recv(5000)[:10])
except OSError as error:
    print(error)
PYTHON
sleep 1
ask() { local who=$1; shift; on "$who" python3 /run/ask.py "$@"; }
# The neighbours are known from here on.
on pc ping -c 1 -W 2 203.0.113.10 >/dev/null
on router ping -c 1 -W 2 203.0.113.10 >/dev/null

record() {
  local rules=$1 backend=$2
  local name=$rules.$backend
  on router iptables-$backend-restore "$here/$rules.rules.v4"
  on router conntrack -F 2>/dev/null
  on router tcpdump -Z root -n -U -B 20000 -w "/run/$name.pcap" -i any ip 2>/run/log &
  local capture=$!
  until grep -q 'listening on' /run/log; do sleep 0.1; done
  sleep 1
  for table in raw mangle nat filter; do if grep -q "^\*$table" "$here/$rules.rules.v4"; then on router iptables-$backend -t $table -Z; fi; done
  ask pc udp 203.0.113.10 53
  ask pc tcp 203.0.113.10 53
  on pc ping -c 2 -i 0.3 203.0.113.10 >/dev/null
  ask inet tcp 203.0.113.1 8080
  ask inet udp 203.0.113.1 9999
  ask inet tcp 203.0.113.1 8888
  # Whom nobody finds: the router itself says so.
  on inet python3 -c 'import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b"question", ("203.0.113.1", 9998))'
  # What the router itself sends, and is sent.
  ask router udp 203.0.113.10 53
  ask router tcp 203.0.113.10 53
  on router ping -c 2 -i 0.3 203.0.113.10 >/dev/null
  on router ping -c 1 192.168.7.10 >/dev/null
  ask router udp 192.168.7.10 9
  ask inet udp 203.0.113.1 5300
  ask inet tcp 203.0.113.1 5300
  ask pc tcp 192.168.7.1 5300
  # Taken by the router for others, and answered in their names.
  ask pc udp 198.18.0.8 5353
  ask pc tcp 198.18.0.8 3128
  ask pc udp 198.18.0.8 7777
  ask pc tcp 198.18.0.8 3129
  on pc ping -c 1 -W 1 198.18.0.9 >/dev/null || true
  # To itself, by the outer address.
  ask pc tcp 203.0.113.1 8081
  # Refused, and too far away.
  ask pc tcp 203.0.113.10 81
  ask pc udp 203.0.113.10 82
  ask pc udp 203.0.113.10 9
  on pc ping -c 1 -t 1 -W 1 203.0.113.10 >/dev/null || true
  # Fragments.
  ask pc udp 203.0.113.10 53 0 3000
  ask router udp 203.0.113.10 53 0 3000
  # From one port: the second gets another.
  ask pc udp 203.0.113.10 53 5000
  ask router udp 203.0.113.10 53 5000
  sleep 4
  kill -INT "$capture"
  sleep 0.5
  # nft does not count with zeros in a file: what legacy has is flushed.
  on router iptables-$backend-save -c >"$here/$name.v4"
  on router conntrack -L -o extended 2>/dev/null >"$here/$name.conntrack"
  cp "/run/$name.pcap" "$here/"
  for table in raw mangle nat filter; do
    on router iptables-$backend -t $table -F
    for chain in PREROUTING INPUT FORWARD OUTPUT POSTROUTING; do on router iptables-$backend -t $table -P $chain ACCEPT 2>/dev/null || true; done
  done
  if [ $backend = nft ]; then on router nft flush ruleset; fi
}
for backend in legacy nft; do
  for rules in plain nat; do record $rules $backend; done
done
on router ip -j addr >"$here/addr.json"
on router ip -j route >"$here/route.json"
