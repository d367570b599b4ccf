# A server of names, pages and mail, as in the thread's arithmetic: 1,000 DNS queries, 100 web connections, 10
# mails, each a connection of its own, mixed. And the learner's script, run for real: what it saves.
. "$here/learner-saves.sh"
learner_saves "$pcaps/seed/learner.sh" "$out/learner.rules.v4"

two_hosts
for name in client server; do on $name sysctl -qw net.ipv6.conf.all.disable_ipv6=1; done
names server 192.0.2.53 # no way there: the mail server's look-ups end at once, and nothing crosses lo
web_server server
name_server server 10.0.0.2 2001:db8:0:1::2
mail_server server 10.0.0.2
# Both orders are loaded while it is recorded, one a backend: they let everything asked for here pass, and their
# counters are the kernel's own answer for this capture.
on server iptables-legacy-restore <"$pcaps/seed/server-dns-web-mail.rules.v4"
on server iptables-nft-restore <"$pcaps/seed/server-mail-web-dns.rules.v4"
capture server "$out/traffic.pcap" -i eth0

# A hundred rounds: ten queries and a page; every tenth also a mail. Every query has a port that no other one
# has, or conntrack would count two as one connection.
for round in $(seq 0 99); do
  on client bash -c 'for port in $(seq $(($1 * 10 + 20000)) $(($1 * 10 + 20009))); do
    dig +tries=1 +time=2 +nocookie +short -b "10.0.0.1#$port" @10.0.0.2 www.example.test A
  done' - "$round" >answers
  [ "$(grep -c '^10.0.0.2$' answers)" = 10 ] || die "round $round: not every query was answered"
  expect 'A small page' on client curl -sg http://10.0.0.2/small.html
  if [ $((round % 10)) = 5 ]; then expect '' send_mail client 10.0.0.2 "mail of round $round"; fi
done
for round in 5 15 25 35 45 55 65 75 85 95; do delivered "mail of round $round"; done
captures_end
on server iptables-legacy-save -c | grep -v '^#' >"$out/server-dns-web-mail.counters.v4"
on server iptables-nft-save -c | grep -v '^#' >"$out/server-mail-web-dns.counters.v4"
