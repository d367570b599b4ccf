# nginx, curl and iperf3 over a line that loses every nineteenth packet, both ways, behind where it is captured: retransmissions, duplicate and selective acknowledgements.
two_hosts
web_server server
in_background server iperf3 -s
listening server tcp 5201
for where in client server; do
  for tables in iptables-legacy ip6tables-legacy; do
    on "$where" "$tables" -t raw -A PREROUTING -i eth0 -p tcp -m statistic --mode nth --every 19 --packet 7 -j DROP
  done
done
capture server "$out/capture.pcap" -i eth0
for address in 10.0.0.2 2001:db8:0:1::2; do
  for _ in 1 2 3; do expect '' on client curl -sSg -o large.bin "http://$(url "$address")/large.bin"; done
  cmp large.bin www-server/large.bin
  head -c 40000 /dev/urandom >upload.bin
  expect '' on client curl -sSg -k -T upload.bin "https://$(url "$address")/upload"
  expect 'iperf Done' on client iperf3 -c "$address" -t 1 -b 400k -l 2k
  expect 'iperf Done' on client iperf3 -c "$address" -t 1 -b 400k -l 2k -R
done
captures_end
tshark -r "$out/capture.pcap" -Y tcp.analysis.retransmission 2>/dev/null >retransmissions.txt || true
[ "$(wc -l <retransmissions.txt)" -ge 20 ] || die "only $(wc -l <retransmissions.txt) retransmissions"
