# iperf3: one second each of TCP, TCP the other way round and UDP, at a small rate.
two_hosts
in_background server iperf3 -s
listening server tcp 5201
capture server "$out/capture.pcap" -i eth0
for address in 10.0.0.2 2001:db8:0:1::2; do
  expect 'iperf Done' on client iperf3 -c "$address" -t 1 -b 300k -l 4k
  sleep 0.2
  expect 'iperf Done' on client iperf3 -c "$address" -t 1 -b 300k -l 4k -R
  sleep 0.2
  expect 'iperf Done' on client iperf3 -c "$address" -t 1 -b 200k -l 600 -u
  sleep 0.2
done
captures_end
