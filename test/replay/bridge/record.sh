#!/bin/bash
# Records any.pcap ("tcpdump -i any", LINKTYPE_LINUX_SLL2) on a router with a bridge of two ports: what comes in by the bridge is in the capture twice, once at the port. By real iptables in network
# namespaces of its own:
#   addr.json, route.json   "ip -j addr" and "ip -j route" of the router
#   counters.v4             what iptables-save -c says afterwards
# Run as root: test/replay/bridge/record.sh
source "$(dirname "$0")/../recording.sh"

namespaces one two router isp
for name in one two router isp; do on $name sysctl -qw net.ipv6.conf.all.disable_ipv6=1; done
ip link add eth0 netns isp type veth peer name wan0 netns router
ip link add eth0 netns one type veth peer name port1 netns router
ip link add eth0 netns two type veth peer name port2 netns router
on router ip link add br0 type bridge
on router ip link set port1 master br0
on router ip link set port2 master br0
# Where the kernel can show bridged packets to iptables, it does not.
on router sysctl -qw net.bridge.bridge-nf-call-iptables=0 2>/dev/null || true
on one ip addr add 192.168.7.10/24 dev eth0
on two ip addr add 192.168.7.11/24 dev eth0
on router ip addr add 192.168.7.1/24 dev br0
on router ip addr add 203.0.113.1/24 dev wan0
on isp ip addr add 203.0.113.10/24 dev eth0
# shellcheck disable=SC2086
for end in 'one eth0' 'two eth0' 'isp eth0' 'router port1' 'router port2' 'router wan0' 'router br0'; do plug $end; done
for name in one two; do on $name ip route add default via 192.168.7.1; done
on isp ip route add 192.168.7.0/24 via 203.0.113.1
on router sysctl -qw net.ipv4.ip_forward=1
on router iptables-legacy-restore "$here/rules.v4"
sleep 2
watch router any
on one ping -c 2 -i 0.3 192.168.7.1 >/dev/null
on one ping -c 2 -i 0.3 192.168.7.11 >/dev/null
on two ping -c 2 -i 0.3 203.0.113.10 >/dev/null
on isp ping -c 1 192.168.7.10 >/dev/null
on router ip -j route >"$here/route.json"
keep router any
