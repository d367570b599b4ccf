# chrony asks chrony for the time; no clock is set. Time stamps of the capture in nanoseconds.
two_hosts
time_server server
capture server "$out/capture.pcap" -i eth0 --time-stamp-precision=nano
for address in 10.0.0.2 2001:db8:0:1::2; do
  expect 'System clock wrong by' time_query client "$address"
done
captures_end
