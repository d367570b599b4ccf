#!/bin/bash
# Records what "tcpdump -i any" has of a router whose neighbours leave checksums, and the cutting of large packets, to their devices (veth, as of containers): the kernel knows that they are unfinished (CHECKSUM_PARTIAL).
# And, with "wire" in front, of the same router on devices that leave nothing to do: one packet has the unfinished sum all the same, made by hand, and is INVALID. By real iptables in network namespaces of its own,
# once for each backend:
#   legacy.pcap, nft.pcap, wire.legacy.pcap, wire.nft.pcap   the captures
#   legacy.v4, legacy.v6 ...                                 what iptables-*-save -c and ip6tables-*-save -c say afterwards
#   addr.json, route.json                                    "ip -j addr", "ip -j route" and "ip -6 -j route" of the router
# Run as root: test/replay/offload/record.sh
source "$(dirname "$0")/../recording.sh"

namespaces pc router inet
for name in pc router inet; do on $name sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0; done
ip link add eth0 netns pc address 02:00:00:00:07:10 type veth peer name lan0 address 02:00:00:00:07:01 netns router
ip link add eth0 netns inet address 02:00:00:00:71:10 type veth peer name wan0 address 02:00:00:00:71:01 netns router
for end in 'pc eth0' 'inet eth0' 'router lan0' 'router wan0'; do
  # shellcheck disable=SC2086
  set -- $end
  on "$1" ip link set "$2" up
done
on pc ip addr add 192.168.7.10/24 dev eth0
on pc ip addr add 2001:db8:7::10/64 dev eth0 nodad
on router ip addr add 192.168.7.1/24 dev lan0
on router ip addr add 2001:db8:7::1/64 dev lan0 nodad
on router ip addr add 203.0.113.1/24 dev wan0
on router ip addr add 2001:db8:71::1/64 dev wan0 nodad
on inet ip addr add 203.0.113.10/24 dev eth0
on inet ip addr add 2001:db8:71::10/64 dev eth0 nodad
on pc ip route add default via 192.168.7.1
on pc ip -6 route add default via 2001:db8:7::1
on inet ip route add default via 203.0.113.1
on inet ip -6 route add default via 2001:db8:71::1
on router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0

cat >/run/serve.py <<'PYTHON'
import socket, threading
def datagrams(port):
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.bind(('::', port))
    while True:
        data, peer = udp.recvfrom(65535)
        udp.sendto(data[:100], peer)
def streams(port):
    server = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(('::', port))
    server.listen()
    while True:
        peer, _ = server.accept()
        got = 0
        while got < 6000:
            got += len(peer.recv(65535))
        peer.sendall(b'a' * 6000)
        peer.close()
threading.Thread(target=datagrams, args=(53,)).start()
threading.Thread(target=streams, args=(53,)).start()
PYTHON
cat >/run/ask.py <<'PYTHON'
import socket, sys
how, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ':' in address else socket.AF_INET
kind = socket.SOCK_DGRAM if how in ('udp', 'cut') else socket.SOCK_STREAM
ask = socket.socket(family, kind)
ask.settimeout(2)
try:
    ask.connect((address, port))
    if how == 'cut':
        ask.setsockopt(socket.IPPROTO_UDP, 103, 1000)  # UDP_SEGMENT
    if kind == socket.SOCK_DGRAM:
        ask.send(b'q' * (5000 if how == 'cut' else 100))
        print(how, len(ask.recv(65535)))
    else:
        ask.sendall(b'q' * 6000)
        got = 0
        while True:
            more = ask.recv(65535)
            got += len(more)
            if not more:
                break
        print(how, got)
except OSError as error:
    print(how, address, port, error)
PYTHON
cat >/run/spoof.py <<'PYTHON'
# UDP whose checksum is unfinished though no device is to finish it: by a raw socket, which leaves the bytes as they are.
import socket, struct
def folded(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total
payload = b'unfinished'
for source, target, sock in (
    ('192.168.7.10', '203.0.113.10', socket.socket(socket.AF_INET, socket.SOCK_RAW, 17)),
    ('2001:db8:7::10', '2001:db8:71::10', socket.socket(socket.AF_INET6, socket.SOCK_RAW, 253)),
):
    six = ':' in source
    length = 8 + len(payload)
    of = lambda address: socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, address)
    pseudo = of(source) + of(target) + (struct.pack('!II', length, 17) if six else struct.pack('!BBH', 0, 17, length))
    udp = struct.pack('!HHHH', 4000, 53, length, folded(pseudo)) + payload
    if six:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 255)
        sock.sendto(struct.pack('!IHBB', 6 << 28, length, 17, 64) + of(source) + of(target) + udp, (target, 0))
    else:
        sock.sendto(udp, (target, 0))
PYTHON
for name in inet router; do on $name python3 /run/serve.py & done
sleep 1

record() {
  local prefix=$1 backend=$2
  local name=$prefix$backend
  on router iptables-$backend-restore "$here/rules.v4"
  on router ip6tables-$backend-restore "$here/rules.v6"
  on pc ping -c 1 -W 2 203.0.113.10 >/dev/null
  on pc ping -c 1 -W 2 2001:db8:71::10 >/dev/null
  sleep 6
  on router conntrack -F 2>/dev/null
  on router tcpdump -Z root -n -U -B 20000 -w "/run/$name.pcap" -i any 2>/run/log &
  local capture=$!
  until grep -q 'listening on' /run/log; do sleep 0.1; done
  sleep 1
  for tool in iptables ip6tables; do on router $tool-$backend -Z; done
  for to in 203.0.113.10 203.0.113.1 2001:db8:71::10 2001:db8:71::1; do
    for how in udp cut tcp; do
      # What the router itself sends by TCP, and nobody else cuts, is cut behind its rules: no capture tells.
      case $prefix$how$to in wire.tcp203.0.113.1 | wire.tcp2001:db8:71::1) continue ;; esac
      on pc python3 /run/ask.py $how $to 53
    done
  done
  for to in 203.0.113.10 2001:db8:71::10; do
    for how in udp tcp; do on pc python3 /run/ask.py $how $to 81; done
  done
  if [ -n "$prefix" ]; then on pc python3 /run/spoof.py; fi
  sleep 2
  kill -INT "$capture"
  sleep 0.5
  on router iptables-$backend-save -c >"$here/$name.v4"
  on router ip6tables-$backend-save -c >"$here/$name.v6"
  cp "/run/$name.pcap" "$here/"
  for tool in iptables ip6tables; do on router $tool-$backend -F; done
  if [ $backend = nft ]; then on router nft flush ruleset; fi
}
for backend in legacy nft; do record '' $backend; done
# shellcheck disable=SC2086
for end in 'pc eth0' 'inet eth0' 'router lan0' 'router wan0'; do plug $end; done
for backend in legacy nft; do record wire. $backend; done
on router ip -j addr >"$here/addr.json"
on router ip -j route >"$here/route.json"
on router ip -6 -j route >"$here/route6.json"
