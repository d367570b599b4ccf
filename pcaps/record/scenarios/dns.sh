# dnsmasq and dig: UDP, TCP, a truncated answer asked again, names that are not there, a closed port.
# Recorded by dumpcap: pcapng, device named.
two_hosts
name_server server 10.0.0.2 2001:db8:0:1::2
capture_ng server "$out/capture.pcapng" -i eth0
ask=(dig +tries=1 +time=2 +nocookie)

for address in 10.0.0.2 2001:db8:0:1::2; do
  expect '10.0.0.2' on client "${ask[@]}" "@$address" www.example.test A
  expect '2001:db8:0:1::2' on client "${ask[@]}" "@$address" www.example.test AAAA
  expect 'mail.example.test' on client "${ask[@]}" "@$address" example.test MX
  expect 'v=spf1' on client "${ask[@]}" "@$address" example.test TXT
  expect 'www.example.test' on client "${ask[@]}" "@$address" -x 10.0.0.2
  expect 'NXDOMAIN' on client "${ask[@]}" "@$address" nowhere.example.test
  expect '10.0.0.2' on client "${ask[@]}" +tcp "@$address" www.example.test A
  # Three questions on one TCP connection.
  expect '10.0.0.2' on client "${ask[@]}" +tcp +keepopen "@$address" www.example.test A www.example.test AAAA example.test MX
  # Too long for a datagram: the answer says so, dig asks again over TCP.
  expect 'Truncated, retrying in TCP mode' on client "${ask[@]}" "@$address" long.example.test TXT
  # Without EDNS: 512 bytes.
  expect 'v=spf1' on client "${ask[@]}" +noedns "@$address" example.test TXT
  # Two questions out of one port: the second belongs to the first one's connection.
  expect '10.0.0.2' on client "${ask[@]}" -b "$([ $address = 10.0.0.2 ] && echo 10.0.0.1 || echo 2001:db8:0:1::1)#5300" "@$address" www.example.test A
  expect '10.0.0.2' on client "${ask[@]}" -b "$([ $address = 10.0.0.2 ] && echo 10.0.0.1 || echo 2001:db8:0:1::1)#5300" "@$address" www.example.test A
  # Nobody listens on 5353: an ICMP error comes back.
  expect_failure on client "${ask[@]}" -p 5353 "@$address" www.example.test A
done
captures_end
