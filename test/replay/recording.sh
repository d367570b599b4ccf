# What the record.sh of the folders beside it share: namespaces of their own, and a capture beside the counters. Sourced first; the folder is $here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${WASMTABLES_RECORDING:-}" ]; then
  exec unshare --mount --net --pid --fork --kill-child=KILL --mount-proc env WASMTABLES_RECORDING=yes bash "$0"
fi
mount -t tmpfs tmpfs /run
mkdir -p /run/netns

on() { ip netns exec "$@"; }

# namespaces NAME...: with their own lo, and no filter of sources.
namespaces() {
  for name in "$@"; do
    ip netns add "$name"
    on "$name" ip link set lo up
    on "$name" sysctl -qw net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.all.rp_filter=0 net.ipv6.conf.default.router_solicitations=0
  done
}

# plug NAMESPACE DEVICE: packets are on it as they are on a wire.
plug() {
  on "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null
  on "$1" ip link set "$2" up
}

# watch NAMESPACE DEVICE: captures into /run/DEVICE.pcap, and counts from 0.
watch() {
  on "$1" tcpdump -Z root -n -U -w "/run/$2.pcap" -i "$2" 2>/run/log &
  until grep -q 'listening on' /run/log; do sleep 0.1; done
  sleep 1
  for tool in iptables-legacy ip6tables-legacy; do
    for table in $(on "$1" $tool-save | sed -n 's/^\*//p'); do on "$1" $tool -t "$table" -Z; done
  done
}

# keep NAMESPACE DEVICE: ends that, and writes the capture, the counters and the addresses into the folder.
keep() {
  sleep 1
  # shellcheck disable=SC2046
  kill $(ip netns pids "$1")
  sleep 0.5
  [ ! -f "$here/rules.v4" ] || on "$1" iptables-legacy-save -c >"$here/counters.v4"
  [ ! -f "$here/rules.v6" ] || on "$1" ip6tables-legacy-save -c >"$here/counters.v6"
  on "$1" ip -j addr >"$here/addr.json"
  cp "/run/$2.pcap" "$here/"
}

# small_router [without-ipv6]: a client (pc, 192.168.7.10), a router (lan0, wan0) and a server (inet, 203.0.113.10), each in a namespace of its name; the router forwards, and redirects nobody.
small_router() {
  namespaces pc router inet
  if [ "${1:-}" = without-ipv6 ]; then
    for name in pc router inet; do on $name sysctl -qw net.ipv6.conf.all.disable_ipv6=1; done
  fi
  ip link add eth0 netns pc address 02:00:00:00:07:10 type veth peer name lan0 address 02:00:00:00:07:01 netns router
  ip link add eth0 netns inet address 02:00:00:00:71:10 type veth peer name wan0 address 02:00:00:00:71:01 netns router
  on pc ip addr add 192.168.7.10/24 dev eth0
  on router ip addr add 192.168.7.1/24 brd + dev lan0
  on router ip addr add 203.0.113.1/24 brd + dev wan0
  on inet ip addr add 203.0.113.10/24 dev eth0
  # shellcheck disable=SC2086
  for end in 'pc eth0' 'inet eth0' 'router lan0' 'router wan0'; do plug $end; done
  on pc ip route add default via 192.168.7.1
  on router sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.lan0.send_redirects=0
}

# small_router6: small_router, and IPv6 beside IPv4 (2001:db8:7::/64 and 2001:db8:71::/64); errors are sent however many there are.
small_router6() {
  small_router
  on pc ip addr add 2001:db8:7::10/64 dev eth0 nodad
  on router ip addr add 2001:db8:7::1/64 dev lan0 nodad
  on router ip addr add 2001:db8:71::1/64 dev wan0 nodad
  on inet ip addr add 2001:db8:71::10/64 dev eth0 nodad
  on pc ip -6 route add default via 2001:db8:7::1
  on router sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.icmp.ratelimit=0 net.ipv4.icmp_ratelimit=0
  sleep 4
}

# watch_router BACKEND: captures what is at any device of router into /run/BACKEND.pcap, without its talk about neighbours, and counts from 0.
watch_router() {
  on router tcpdump -Z root -n -U -B 20000 -w "/run/$1.pcap" -i any 'ip or (ip6 and not net fe80::/10 and not net ff00::/8)' 2>/run/log &
  capture=$!
  until grep -q 'listening on' /run/log; do sleep 0.1; done
  sleep 1
  for table in mangle nat filter; do for tool in iptables ip6tables; do on router "$tool-$1" -t $table -Z; done; done
}

# keep_router BACKEND: ends that, writes the capture and the counters into the folder, and takes the rules out.
keep_router() {
  sleep 1
  kill -INT "$capture"
  sleep 0.5
  on router "iptables-$1-save" -c >"$here/$1.v4"
  on router "ip6tables-$1-save" -c >"$here/$1.v6"
  cp "/run/$1.pcap" "$here/"
  for table in mangle nat filter; do for tool in iptables ip6tables; do on router "$tool-$1" -t $table -F; done; done
  if [ "$1" = nft ]; then on router nft flush ruleset; fi
}
