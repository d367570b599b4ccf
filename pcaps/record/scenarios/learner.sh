# The learner's host: people reach its ssh and web, it asks for names and the time, sends mail and fetches pages,
# and somebody scans it. IPv4 only, as his script. No rules were loaded.
two_hosts
for name in client server; do on $name sysctl -qw net.ipv6.conf.all.disable_ipv6=1; done
web_server server
web_server client
ssh_server server
name_server client 10.0.0.1 2001:db8:0:1::1
time_server client
mail_server client 10.0.0.1
capture server "$out/capture.pcap" -i eth0

expect 'hello' ssh_to client root@10.0.0.2 echo hello
for _ in 1 2 3 4 5; do
  expect 'A small page' on client curl -sg http://10.0.0.2/small.html
  expect 'A small page' on client curl -sgk https://10.0.0.2/small.html
done
expect '3 received' on client ping -n -c 3 -i 0.3 10.0.0.2

# What the host itself needs.
expect '10.0.0.1' on server dig +tries=1 +time=2 +nocookie @10.0.0.1 www.example.test A
expect '10.0.0.1' on server dig +tries=1 +time=2 +nocookie +tcp @10.0.0.1 www.example.test A
expect 'Truncated, retrying' on server dig +tries=1 +time=2 +nocookie @10.0.0.1 long.example.test TXT
expect 'System clock wrong by' time_query server 10.0.0.1
expect '' send_mail server 10.0.0.1 'from the learner'
expect 'A small page' on server curl -sg http://10.0.0.1/small.html
expect 'A small page' on server curl -sgk https://10.0.0.1/small.html

# Scans, and flag sets that few rules name.
for kind in -sS -sN -sF -sX -sA; do
  expect '80/tcp' on client nmap -n -Pn --max-retries 1 --scan-delay 10ms -p 21-23,25,80,443 $kind 10.0.0.2
done
for flags in SYNFIN SYNRST SYNFINPSHURG RSTACKFIN SYNPSHACK; do
  expect 'scan report' on client nmap -n -Pn --max-retries 0 -p 80,81 -sS --scanflags $flags 10.0.0.2
done
delivered 'from the learner'
captures_end
