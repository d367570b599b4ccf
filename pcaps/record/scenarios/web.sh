# nginx and curl: HTTP and TLS, good and bad requests, a connection cut short, a closed port.
two_hosts
web_server server
capture server "$out/capture.pcap" -i eth0

for address in 10.0.0.2 '[2001:db8:0:1::2]'; do
  expect 'A small page' on client curl -sg "http://$address/small.html"
  expect '' on client curl -sg -o large "http://$address/large.bin"
  expect '404 Not Found' on client curl -sg "http://$address/nothing"
  expect '200 OK' on client curl -sgI "http://$address/small.html"
  # Two requests on one connection, and one that rests a while between them.
  expect 'A small page' on client curl -sg "http://$address/small.html" "http://$address/small.html"
  expect '204' on client curl -sg -o /dev/null -w '%{http_code}' --data 'name=value' "http://$address/upload"
  expect 'A small page' on client curl -sgk --tlsv1.3 "https://$address/small.html"
  expect 'A small page' on client curl -sgk --tls-max 1.2 "https://$address/small.html"
  # The client goes away in the middle of a transfer: it answers what still comes with RST.
  expect_failure on client curl -sg --max-time 1 -o cut "http://$address/slow.bin"
  # Nobody listens on 8080: RST.
  expect_failure on client curl -sg --max-time 2 "http://$address:8080/"
done
captures_end
