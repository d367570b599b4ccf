#!/bin/bash
# Records 30,000 bytes that a host sends by TCP over eth0, a device that cuts large packets itself (TSO), and over eth1, where the kernel does it behind POSTROUTING (software GSO):
#   any.pcap      as tcpdump -i any sees it
#   counters.v4   what iptables-save -c says of rules.v4 afterwards
#   addr.json     what ip -j addr says of the host
# Run as root: test/replay/large-tcp/record.sh
source "$(dirname "$0")/../recording.sh"

namespaces host peer
for i in 0 1; do
  ip link add name "eth$i" netns host type veth peer name "eth$i" netns peer
  for name in host peer; do
    plug $name "eth$i"
    on $name ip addr add "10.0.$i.$([ $name = host ] && echo 1 || echo 2)/24" dev "eth$i"
  done
done
on host ethtool -K eth0 tx on sg on gso on tso on >/dev/null
on host ethtool -K eth1 tx on sg on gso on >/dev/null
on host iptables-legacy-restore "$here/rules.v4"

on peer python3 -c '
import socket
server = socket.create_server(("", 5000))
for _ in range(2):
    connection, _ = server.accept()
    while connection.recv(1 << 16): pass
    connection.close()
' &
sleep 1
watch host any
for i in 0 1; do
  on host python3 -c '
import socket, sys
connection = socket.create_connection((sys.argv[1], 5000))
connection.sendall(bytes(30000))
connection.shutdown(socket.SHUT_WR)
connection.recv(1)
' "10.0.$i.2"
done
keep host any
