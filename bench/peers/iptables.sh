# Real iptables on a capture: sh iptables.sh RULES CAPTURE SERVER ESTABLISHED, inside a network namespace of its own (unshare -n), which ends with it. Set-up, traffic
# and counters are all part of what is measured.
# The firewall forwards, in a namespace of its own: clients are behind one link, the server behind the other, and every packet enters by its sender's (of one's own
# address the kernel drops what comes from outside, as martian). So the rules of INPUT stand in FORWARD, behind one for what the server sends, which ours has in OUTPUT.
# Fails when the rule for ESTABLISHED counts other packets than ESTABLISHED, which is what the engine counts, by more than a hundredth.
set -e
rules=$1 capture=$2 server=$3 established=$4
work=$(mktemp -d)
unshare -n sleep 900 &
firewall=$!
trap 'kill $firewall; rm -r "$work"' EXIT
while [ "$(readlink /proc/$firewall/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
inside() { nsenter -t $firewall -n "$@"; }
for side in client:02 server:01; do
	name=${side%:*}
	ip link add "to-$name" type veth peer name "$name" netns $firewall address "02:00:00:00:00:${side#*:}"
	ip link set "to-$name" up
	inside ip link set "$name" up
done
inside sysctl -qw net.ipv4.ip_forward=1
inside ip addr add 192.168.1.1/30 dev client
inside ip addr add 192.168.2.1/30 dev server
inside ip neigh add 192.168.1.2 lladdr 02:00:00:00:00:11 dev client nud permanent
inside ip neigh add 192.168.2.2 lladdr 02:00:00:00:00:12 dev server nud permanent
inside ip route add default via 192.168.1.2
inside ip route add "$server" via 192.168.2.2
sed -e 's/INPUT/MINE/; s/FORWARD/INPUT/; s/MINE/FORWARD/' -e '0,/^-A/ s//-A FORWARD -i server -j ACCEPT\n-A/' "$rules" | inside iptables-legacy-restore
tcpprep --cidr="$server/32" --pcap="$capture" --cachefile="$work/sides" >/dev/null
tcpreplay --topspeed --preload-pcap --cachefile="$work/sides" --intf1=to-server --intf2=to-client "$capture" >/dev/null
seen=$(inside iptables-legacy -nvxL FORWARD | awk '/ESTABLISHED/ { print $1 }')
if [ $((seen > established ? seen - established : established - seen)) -gt $((established / 100)) ]; then
	echo "the rule for ESTABLISHED met $seen packets, the engine's $established" >&2
	exit 1
fi
