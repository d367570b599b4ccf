# Real iptables on a capture: sh iptables.sh RULES CAPTURE ADDRESS, inside a network namespace of its own (unshare -n), which ends with it. Set-up, traffic and
# counters are all part of what is measured. What the host itself sent comes in from outside here and is dropped as martian: that is cheaper than it should be.
set -e
rules=$1 capture=$2 address=$3
ip link set lo up
ip link add wtb0 type veth peer name wtb1
ip link set wtb1 address 02:00:00:00:00:02
ip addr add "$address/8" dev wtb1
ip link set wtb0 up
ip link set wtb1 up
iptables-legacy-restore <"$rules"
tcpreplay --topspeed --preload-pcap --intf1=wtb0 "$capture" >/dev/null
if iptables-legacy -nvxL INPUT | awk 'NR > 2 { seen += $1 } END { exit seen > 0 }'; then
	echo "no packet came to iptables" >&2
	exit 1
fi
