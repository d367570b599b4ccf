# nmap's SYN, NULL, FIN, Xmas and ACK scans and a UDP one against the same host, between them an honest web
# request. No rules were loaded: the answers are those of an open host.
two_hosts
web_server server
ssh_server server
name_server server 10.0.0.2 2001:db8:0:1::2
capture server "$PWD/capture.pcap" -i eth0
nmap=(nmap -n -Pn --reason --max-retries 1 --scan-delay 10ms)

for target in 10.0.0.2 '-6 2001:db8:0:1::2'; do
  expect '80/tcp   open   http' on client "${nmap[@]}" $target -p 20-25,53,80,443,3306,8080 -sS
  for kind in -sN -sF -sX; do
    expect '80/tcp   open|filtered http' on client "${nmap[@]}" $target -p 20-25,53,80,443,3306,8080 $kind
  done
  expect 'unfiltered' on client "${nmap[@]}" $target -p 20-25,53,80,443,3306,8080 -sA
  expect '53/udp  open' on client "${nmap[@]}" $target -p 53,123,161 -sU
  expect 'A small page' on client curl -sg "http://$([ "$target" = 10.0.0.2 ] && echo 10.0.0.2 || echo '[2001:db8:0:1::2]')/small.html"
done
captures_end
gzip -9 -n -c capture.pcap >"$out/capture.pcap.gz"
