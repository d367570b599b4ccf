#!/bin/bash
# Records what a host sends by ordinary sockets, larger than the MTU, and what its rules count of it; by real iptables and tcpdump in network namespaces of its own:
#   plain.pcap, tracked.pcap                       as it leaves the host's device, with rules that bring no conntrack, and with some that do
#   narrow.pcap                                    the same for IPv4 by a device with an MTU of 300, with rules that bring no conntrack
#   raw.pcap                                       fragments of a tool of the host itself, short as most tools make them, and where no kernel cuts, with such rules
#   plain.rules.v4, .v6, tracked.rules.v4, ...     the rules
#   plain.legacy.v4 ... raw.nft.v6                 what iptables-*-save -c says afterwards: both backends have the same rules at the same time
# Run as root: test/replay/own-datagrams/record.sh [plain tracked narrow raw]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${WASMTABLES_RECORDING:-}" ]; then
  if [ $# = 0 ]; then set -- plain tracked narrow raw; fi
  for which in "$@"; do
    unshare --mount --net --pid --fork --kill-child=KILL --mount-proc env WASMTABLES_RECORDING=$which bash "$0"
  done
  exit
fi
which=$WASMTABLES_RECORDING
families='4 6'
mtu=1500
# IPv6 has no address on such a device.
if [ "$which" = narrow ]; then
  families=4
  mtu=300
fi
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
ip netns add peer
ip link set lo up
ip link add eth0 mtu $mtu address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns peer
for in in '' 'ip netns exec peer'; do
  $in ethtool -K eth0 tx off rx off tso off gso off gro off >/dev/null
  if [ "$which" = narrow ]; then continue; fi
  $in sysctl -qw net.ipv6.conf.all.router_solicitations=0 net.ipv6.conf.eth0.router_solicitations=0 net.ipv6.conf.eth0.accept_dad=0
done
ip -n peer addr add 192.0.2.2/24 dev eth0
ip -n peer link set eth0 up
ip link set eth0 up
ip addr add 192.0.2.1/24 brd 192.0.2.255 dev eth0
ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev eth0
ip route add 198.51.100.0/24 via 192.0.2.2 mtu 1001
if [ "$which" != narrow ]; then
  ip -n peer addr add 2001:db8::2/64 dev eth0
  ip addr add 2001:db8::1/64 dev eth0
  ip neigh add 2001:db8::2 lladdr 02:00:00:00:00:02 dev eth0
  ip route add 2001:db8:1::/64 via 2001:db8::2 mtu 1283
fi

# Probes of every chain, the same for both backends.
rules() {
  local family=$1 table chain match
  local probes=('-p udp' '-p udp -m udp --dport 53' '-p udp -m udp --sport 7' '-m length --length 0:1000' '-m length --length 1001:1500' '-m length --length 1501:65535')
  if [ "$family" = 4 ]; then probes+=('-f' '! -f' '-p icmp -m icmp --icmp-type 8'); else probes+=('-m ipv6header --header ipv6-frag --soft' '-p ipv6-icmp -m icmp6 --icmpv6-type 128'); fi
  if [ "$which" = tracked ]; then probes+=('-m conntrack --ctstate NEW' '-m conntrack --ctstate ESTABLISHED'); fi
  for table in raw mangle filter; do
    local chains=(OUTPUT)
    if [ $table = mangle ]; then chains=(OUTPUT POSTROUTING); fi
    echo "*$table"
    for chain in "${chains[@]}"; do echo ":$chain ACCEPT [0:0]"; done
    for chain in "${chains[@]}"; do
      for match in "${probes[@]}"; do
        case "$table $match" in 'raw -m conntrack'*) continue ;; esac
        echo "-A $chain $match"
      done
    done
    echo COMMIT
  done
}
for family in $families; do
  tables=ip$([ $family = 6 ] && echo 6 || true)tables
  rules $family >"$here/$which.rules.v$family"
  for backend in legacy nft; do $tables-$backend-restore "$here/$which.rules.v$family"; done
done

cat >/run/send.py <<'PYTHON'
import socket
four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
four.bind(('192.0.2.1', 7))
four.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
six.bind(('2001:db8::1', 7))
for size in (10, 1452, 1453, 1472, 1473, 4000, 9000):
    four.sendto(bytes(size), ('192.0.2.2', 53))
    six.sendto(bytes(size), ('2001:db8::2', 53))
# Paths with smaller MTUs, which are no multiples of eight.
for size in (900, 2000):
    four.sendto(bytes(size), ('198.51.100.9', 53))
    six.sendto(bytes(size), ('2001:db8:1::9', 53))
four.sendto(bytes(3000), ('192.0.2.255', 9))
# Behind options: router alert goes with every fragment, record route with the first.
four.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0]))
four.sendto(bytes(3000), ('192.0.2.2', 53))
PYTHON
# What a tool cuts itself reaches OUTPUT in parts: a raw socket sends a datagram of 40 bytes in two fragments.
cat >/run/cut.py <<'PYTHON'
import socket, struct
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
datagram = struct.pack('>HHHH', 7, 53, 40, 0) + bytes(32)
for place, more in ((0, 1), (24, 0)):
    data = datagram[place:place + 24]
    header = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(data), 77, more << 13 | place >> 3, 64, 17, 0, socket.inet_aton('192.0.2.1'), socket.inet_aton('192.0.2.2'))
    raw.sendto(header + data, ('192.0.2.2', 0))
PYTHON

cat >/run/narrow.py <<'PYTHON'
import socket
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('192.0.2.1', 7))
for _ in range(3):
    udp.sendto(bytes(1000), ('192.0.2.2', 53))
PYTHON

# Shorter than a path's MTU, though the last one begins far behind; and longer, but behind destination options behind a routing header, where ip6_find_1stfragopt never goes.
cat >/run/raw.py <<'PYTHON'
import socket, struct
four = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
datagram = struct.pack('>HHHH', 7, 53, 1200, 0) + bytes(1192)
for place in (0, 400, 800):
    more = place < 800
    header = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 420, 78, more << 13 | place >> 3, 64, 17, 0, socket.inet_aton('192.0.2.1'), socket.inet_aton('192.0.2.2'))
    four.sendto(header + datagram[place:place + 400], ('192.0.2.2', 0))
six = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
ends = socket.inet_pton(socket.AF_INET6, '2001:db8::1') + socket.inet_pton(socket.AF_INET6, '2001:db8::2')
def send6(id, size, length, first, before):
    datagram = struct.pack('>HHHH', 7, 53, length, 0) + bytes(length - 8)
    for place in range(0, length, size):
        data = datagram[place:place + size]
        behind = before + struct.pack('>BBHI', 17, 0, place | (place + size < length), id) + data
        six.sendto(struct.pack('>IHBB', 6 << 28, len(behind), first, 64) + ends + behind, ('2001:db8::2', 0))
send6(79, 640, 1920, 44, b'')
send6(80, 1400, 2000, 43, bytes([60, 0, 253, 0, 0, 0, 0, 0]) + bytes([44, 0, 1, 4, 0, 0, 0, 0]))
PYTHON

send_plain() {
  python3 /run/send.py
  ping -q -c 1 -s 3000 192.0.2.2 >/dev/null
  ping6 -q -c 1 -s 3000 2001:db8::2 >/dev/null
  python3 /run/cut.py
}
send_tracked() { send_plain; }
send_narrow() { python3 /run/narrow.py; }
send_raw() { python3 /run/raw.py; }

sleep 1
touch /run/capture.log
tcpdump -Z root -i eth0 -n -U --immediate-mode -Q out -w /run/capture.pcap 'ip or ip6' 2>/run/capture.log &
until grep -q 'listening on' /run/capture.log; do sleep 0.1; done
sleep 1
for tables in iptables ip6tables; do
  for backend in legacy nft; do for table in raw mangle filter; do $tables-$backend -t $table -Z; done; done
done
send_$which
sleep 1
kill %1
wait
for family in $families; do
  tables=ip$([ $family = 6 ] && echo 6 || true)tables
  for backend in legacy nft; do $tables-$backend-save -c | grep -v '^#' >"$here/$which.$backend.v$family"; done
done
cp /run/capture.pcap "$here/$which.pcap"
chmod 644 "$here"/*
chmod 755 "$here/record.sh"
