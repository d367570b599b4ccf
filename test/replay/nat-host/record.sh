#!/bin/bash
# Records the captures of this folder on a router that translates (rules.v4), by real iptables and tcpdump in network namespaces of its own:
#   lan.pcap, wan.pcap   on one device of the router
#   any.pcap             on all of them: every forwarded packet twice
#   in.pcap              on all of them, only what comes in: what the rules met
#   counters.v4          what iptables-save -c says afterwards
# Run as root: test/replay/nat-host/record.sh
source "$(dirname "$0")/../recording.sh"

namespaces pc router inet
for name in pc router inet; do on $name sysctl -qw net.ipv6.conf.all.disable_ipv6=1; done
ip link add eth0 netns pc type veth peer name lan0 netns router
ip link add eth0 netns inet type veth peer name wan0 netns router
on pc ip addr add 192.168.7.10/24 dev eth0
on router ip addr add 192.168.7.1/24 dev lan0
on router ip addr add 203.0.113.1/24 dev wan0
on inet ip addr add 203.0.113.10/24 dev eth0
# shellcheck disable=SC2086
for end in 'pc eth0' 'inet eth0' 'router lan0' 'router wan0'; do plug $end; done
on pc ip route add default via 192.168.7.1
on router sysctl -qw net.ipv4.ip_forward=1
on router iptables-legacy-restore "$here/rules.v4"

cat >/run/serve.py <<'PYTHON'
import socket, sys, threading
port = int(sys.argv[1])
tcp = socket.create_server(('', port))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('', port))
def datagrams():
    while True:
        udp.sendto(b'answer', udp.recvfrom(100)[1])
threading.Thread(target=datagrams, daemon=True).start()
while True:
    peer, _ = tcp.accept()
    peer.recv(100)
    peer.sendall(b'answer')
    peer.close()
PYTHON
on inet python3 /run/serve.py 53 &
on pc python3 /run/serve.py 80 &
cat >/run/ask.py <<'PYTHON'
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
ask = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == 'tcp' else socket.SOCK_DGRAM)
ask.settimeout(5)
ask.connect((address, port))
ask.send(b'question')
assert ask.recv(100) == b'answer'
PYTHON
sleep 1
on pc ping -c 1 -W 2 203.0.113.10 >/dev/null
on router iptables-legacy -Z
on router iptables-legacy -t nat -Z

capture() { file=$1; shift; on router tcpdump -Z root -n -U -w "/run/$file" "$@" ip 2>"/run/$file.log" & }
capture lan.pcap -i lan0
capture wan.pcap -i wan0
capture any.pcap -i any
capture in.pcap -i any -Q in
for file in lan wan any in; do until grep -q 'listening on' /run/$file.pcap.log; do sleep 0.1; done; done
sleep 1
on pc python3 /run/ask.py udp 203.0.113.10 53
on pc python3 /run/ask.py tcp 203.0.113.10 53
on pc ping -c 2 -i 0.3 203.0.113.10 >/dev/null
on inet python3 /run/ask.py tcp 203.0.113.1 8080
sleep 1
# shellcheck disable=SC2046
kill $(ip netns pids router)
sleep 0.5
on router iptables-legacy-save -c >"$here/counters.v4"
cp /run/{lan,wan,any,in}.pcap "$here/"
