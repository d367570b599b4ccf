#!/bin/bash
# Records eth0.pcap (Ethernet, no directions) on a host whom a neighbour sends packets that bear the host's own or a loopback source, among true ones of both; by real iptables in network
# namespaces of its own:
#   addr.json           "ip -j addr" of the host
#   counters.v4, .v6    what iptables-save -c and ip6tables-save -c say afterwards
# Run as root: test/replay/spoofed/record.sh
source "$(dirname "$0")/../recording.sh"

namespaces host peer
for name in host peer; do on $name sysctl -qw net.ipv6.conf.default.accept_dad=0; done
ip link add eth0 address 02:00:00:00:00:01 netns host type veth peer name eth0 address 02:00:00:00:00:02 netns peer
on host ip addr add 192.0.2.1/24 dev eth0
on host ip addr add 2001:db8::1/64 dev eth0
on peer ip addr add 192.0.2.2/24 dev eth0
on peer ip addr add 2001:db8::2/64 dev eth0
for name in host peer; do plug $name eth0; done
on host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
on host ip route add default via 192.0.2.2
on host ip -6 route add default via 2001:db8::2
on host iptables-legacy-restore "$here/rules.v4"
on host ip6tables-legacy-restore "$here/rules.v6"

cat >/run/spoof.py <<'PYTHON'
import socket, struct, sys

def ones(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff

def packet(source, destination):
    family = socket.AF_INET6 if ':' in source else socket.AF_INET
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    udp = struct.pack('!HHHH', 4000, 9, 16, 0) + b'question'
    pseudo = ends + struct.pack('!IHBB', len(udp), 0, 0, 17)
    udp = udp[:6] + struct.pack('!H', ones(pseudo + udp)) + udp[8:]
    if family == socket.AF_INET6:
        return 0x86dd, struct.pack('!IHBB', 6 << 28, len(udp), 17, 64) + ends + udp
    head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
    return 0x0800, head[:10] + struct.pack('!H', ones(head + ends)) + ends + udp

out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(('eth0', 0))
for source, destination in [
    ('192.0.2.1', '192.0.2.1'), ('192.0.2.1', '198.51.100.9'), ('127.0.0.1', '192.0.2.1'), ('127.0.0.1', '127.0.0.1'), ('127.0.0.1', '198.51.100.9'),
    ('192.0.2.2', '127.0.0.1'), ('192.0.2.2', '192.0.2.1'), ('2001:db8::1', '2001:db8::1'), ('2001:db8::1', '2001:db8:5::9'), ('::1', '2001:db8::1'), ('::1', '::1'),
    ('2001:db8::2', '2001:db8::1'),
]:
    ethertype, data = packet(source, destination)
    out.send(bytes.fromhex('020000000001020000000002') + struct.pack('!H', ethertype) + data)
PYTHON
cat >/run/send.py <<'PYTHON'
import socket, sys
family, kind, _, _, to = socket.getaddrinfo(sys.argv[1], 9, type=socket.SOCK_DGRAM)[0]
out = socket.socket(family, kind)
if family == socket.AF_INET:
    out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
out.sendto(b'question', to)
PYTHON
sleep 3
for address in 192.0.2.2 2001:db8::2; do on host python3 /run/send.py $address; done
sleep 1
watch host eth0
on peer python3 /run/spoof.py
for address in 192.0.2.2 2001:db8::2 192.0.2.255; do on host python3 /run/send.py $address; done
keep host eth0
