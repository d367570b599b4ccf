# A router between a LAN (a PC and a server on a switch) and the Internet (one host, with everything on it).
# capture.pcapng holds what netfilter on the router saw: from both devices, named, everything that came in, and
# of what went out only what the router itself sent. lan-side.pcap is the usual capture on one device, eth1.
host switch
host pc
host nas
host inet
router router
link pc eth0 02:00:c0:a8:01:0a switch port1 02:00:00:00:01:01
link nas eth0 02:00:c0:a8:01:14 switch port2 02:00:00:00:01:02
link router eth1 02:00:c0:a8:01:01 switch port3 02:00:00:00:01:03
link router eth0 02:00:cb:00:71:01 inet eth0 02:00:cb:00:71:0a
on switch sysctl -qw net.ipv6.conf.all.disable_ipv6=1
on switch ip link add lan0 type bridge mcast_snooping 0
for port in port1 port2 port3; do on switch ip link set $port master lan0; done
on switch ip link set lan0 up
addresses pc eth0 192.168.1.10/24 2001:db8:1::10/64
addresses nas eth0 192.168.1.20/24 2001:db8:1::20/64
addresses router eth1 192.168.1.1/24 2001:db8:1::1/64
addresses router eth0 203.0.113.1/24 2001:db8:2::1/64
addresses inet eth0 203.0.113.10/24 2001:db8:2::10/64
gateway_of pc 192.168.1.1 2001:db8:1::1
gateway_of nas 192.168.1.1 2001:db8:1::1
gateway_of inet 203.0.113.1 2001:db8:2::1

web_server nas
web_server inet
ssh_server pc
name_server nas 192.168.1.20 2001:db8:1::20
name_server inet 203.0.113.10 2001:db8:2::10
mail_server inet 203.0.113.10 2001:db8:2::10
names pc 203.0.113.10
ask=(dig +tries=1 +time=2 +nocookie)

on router ip -j addr >"$out/addr.json"
on router ip -j route >"$out/route.json"

# Coming in is what the device did not send itself. (The filter word "inbound" loses the first packets: what lies in
# the ring when the filter is set is filtered outside the kernel, where the direction is not known.)
own='src host 192.168.1.1 or src host 203.0.113.1 or src host 2001:db8:1::1 or src host 2001:db8:2::1'
capture router "$out/lan-side.pcap" -i eth1
eth0="not ether src 02:00:cb:00:71:01 or $own" eth1="not ether src 02:00:c0:a8:01:01 or $own"
capture router "$PWD/eth0.pcap" -i eth0 "$eth0"
capture router "$PWD/eth1.pcap" -i eth1 "$eth1"
capture_ng router "$PWD/both.pcapng" -i eth0 -f "$eth0" -i eth1 -f "$eth1"

for net in '203.0.113.10 192.168.1.20 192.168.1.10 192.168.1.1' '2001:db8:2::10 2001:db8:1::20 2001:db8:1::10 2001:db8:1::1'; do
  read -r inet nas pc router <<<"$net"
  # Out of the LAN: names, pages, a mail, the way there.
  expect 'NOERROR' on pc "${ask[@]}" "@$inet" www.example.test A
  expect 'NOERROR' on pc "${ask[@]}" +tcp "@$inet" www.example.test AAAA
  expect 'Truncated, retrying' on pc "${ask[@]}" "@$inet" long.example.test TXT
  expect 'A small page' on pc curl -sg "http://$(url $inet)/small.html"
  expect '' send_mail pc "$inet" 'from the LAN'
  expect "$inet" on pc traceroute -n -q 1 -w 1 "$inet"
  expect '2 received' on pc ping -n -c 2 -i 0.3 "$inet"
  # Within the LAN: the router sees nothing of it but the first broadcast.
  expect 'NOERROR' on pc "${ask[@]}" "@$nas" www.example.test A
  expect 'A small page' on pc curl -sg "http://$(url $nas)/small.html"
  # To the router itself.
  expect '2 received' on pc ping -n -c 2 -i 0.3 "$router"
  # Into the LAN: the server's pages; a try at the PC; scans with the flags the rules are about.
  expect 'A small page' on inet curl -sgk "https://$(url $nas)/small.html"
  expect 'SSH-2.0' on inet timeout 2 bash -c "exec 3<>/dev/tcp/$pc/22; head -n 1 <&3"
  family=$(grep -q : <<<"$nas" && echo -6 || echo -4)
  for kind in -sS -sN -sF -sX -sA; do
    expect '80/tcp' on inet nmap $family -n -Pn --max-retries 1 --scan-delay 10ms -p 22,25,80,443 $kind "$nas"
  done
  # A flag set no rule of the pasted eleven names, and two that they do.
  for flags in SYNPSH SYNFIN SYNRST FINPSHURG; do
    expect 'scan report' on inet nmap $family -n -Pn --max-retries 0 -p 80,81 -sS --scanflags $flags "$nas"
  done
done
delivered 'from the LAN'
captures_end
reordercap both.pcapng "$out/capture.pcapng" >/dev/null

# tcpdump watched the same on each device; dumpcap must have missed nothing of it.
for device in eth0 eth1; do
  seen=$(tcpdump -nr $device.pcap 2>/dev/null | wc -l)
  kept=$(tshark -r "$out/capture.pcapng" -Y "frame.interface_name == $device" 2>/dev/null | wc -l)
  [ "$seen" = "$kept" ] || die "$device: tcpdump saw $seen packets, capture.pcapng has $kept"
done
