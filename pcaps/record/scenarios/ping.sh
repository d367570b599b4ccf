# ping, traceroute and ICMP errors as a workstation behind a router sees them. The link behind the router
# carries 1400 bytes only.
host client
router router
host server
link client eth0 02:00:0a:00:00:01 router lan0 02:00:0a:00:00:fe
link router wan0 02:00:0a:01:00:fe server eth0 02:00:0a:01:00:02
addresses client eth0 10.0.0.1/24 2001:db8:0:1::1/64
addresses router lan0 10.0.0.254/24 2001:db8:0:1::fe/64
addresses router wan0 10.1.0.254/24 2001:db8:0:2::fe/64
addresses server eth0 10.1.0.2/24 2001:db8:0:2::2/64
gateway_of client 10.0.0.254 2001:db8:0:1::fe
gateway_of server 10.1.0.254 2001:db8:0:2::fe
on router ip link set wan0 mtu 1400
on server ip link set eth0 mtu 1400
capture client "$out/capture.pcap" -i eth0

for pair in '10.1.0.2 10.0.0.1 10.0.0.254 10.1.0.77' \
  '2001:db8:0:2::2 2001:db8:0:1::1 2001:db8:0:1::fe 2001:db8:0:2::77'; do
  # shellcheck disable=SC2086
  set -- $pair
  expect '4 received' on client ping -n -c 4 -i 0.3 "$1"
  expect '3 received' on server ping -n -c 3 -i 0.3 "$2"
  expect '2 received' on client ping -n -c 2 -i 0.3 "$3"
  # Fragments: 3,000 bytes do not fit into one packet. (Over IPv6 the first try learns the path's MTU.)
  expect '3008 bytes from' on client ping -n -c 2 -i 0.3 -s 3000 "$1"
  # Too big to pass undivided: the router says so.
  expect_failure on client ping -n -c 1 -W 1 -M do -s 1440 "$1"
  # Nobody has that address: after three seconds without an answer the router says so.
  expect_failure on client ping -n -c 1 -W 5 "$4"
  expect "$1" on client traceroute -n -q 2 -w 1 "$1"
  expect "$1" on client traceroute -n -q 2 -w 1 -I "$1"
  expect "$1" on client traceroute -n -q 2 -w 1 -T -p 80 "$1"
done
captures_end
