#!/bin/bash
# Records what "tcpdump -i any" has of a router that masquerades where resets go out: its own, about segments that are INVALID in a connection that it translates (FIN without ACK), and so not
# translated back; and those of a client that ends its connection, which it sends on. By real iptables of both backends in network namespaces of its own:
#   legacy.pcap, nft.pcap      the captures
#   legacy.v4, nft.v4          what iptables-*-save -c says afterwards
#   addr.json, route.json      "ip -j addr" and "ip -j route" of the router
# Run as root: test/replay/router-resets/record.sh
source "$(dirname "$0")/../recording.sh"

small_router without-ipv6
on router ip route add default via 203.0.113.10

cat >/run/serve.py <<'PYTHON'
import socket
server = socket.create_server(('', 80))
held = []
while True:
    held.append(server.accept())
PYTHON
on inet python3 /run/serve.py &
# A client that holds its connection for a time, and resets it then.
cat >/run/hold.py <<'PYTHON'
import socket, struct, sys, time
client = socket.create_connection(('203.0.113.10', 80), source_address=('', int(sys.argv[1])))
client.sendall(b'question')
time.sleep(2)
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
client.close()
PYTHON
# Segments with FIN alone, from the server's address and port to what the router translates to.
cat >/run/finish.py <<'PYTHON'
import socket, struct, sys
def folded(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
source, destination = map(socket.inet_aton, ('203.0.113.10', '203.0.113.1'))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
for number in range(3):
    header = struct.pack('!HHIIBBHHH', 80, int(sys.argv[1]), 1000 + number, 0, 0x50, 1, 512, 0, 0)
    sum_ = folded(source + destination + struct.pack('!HH', 6, len(header)) + header)
    raw.sendto(header[:16] + struct.pack('!H', sum_) + header[18:], ('203.0.113.1', 0))
PYTHON
sleep 1
on pc ping -c 1 -W 2 192.168.7.1 >/dev/null
on router ping -c 1 -W 2 203.0.113.10 >/dev/null

for backend in legacy nft; do
  on router iptables-$backend-restore "$here/rules.v4"
  on router conntrack -F 2>/dev/null
  on router tcpdump -Z root -n -U -B 20000 -w "/run/$backend.pcap" -i any ip 2>/run/log &
  capture=$!
  until grep -q 'listening on' /run/log; do sleep 0.1; done
  sleep 1
  for table in nat filter; do on router iptables-$backend -t $table -Z; done
  port=$([ $backend = legacy ] && echo 33333 || echo 33334)
  on pc python3 /run/hold.py "$port" &
  client=$!
  sleep 1
  on inet python3 /run/finish.py "$port"
  wait $client
  sleep 1
  kill -INT "$capture"
  sleep 0.5
  on router iptables-$backend-save -c >"$here/$backend.v4"
  cp "/run/$backend.pcap" "$here/"
  for table in nat filter; do on router iptables-$backend -t $table -F; done
  if [ $backend = nft ]; then on router nft flush ruleset; fi
done
on router ip -j addr >"$here/addr.json"
on router ip -j route >"$here/route.json"
