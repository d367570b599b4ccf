# OpenSMTPD and swaks: a short mail, one with an attachment, a refused recipient, a session that only says hello.
two_hosts
mail_server server 10.0.0.2 2001:db8:0:1::2
seq 1 2000 >list.txt
capture server "$out/capture.pcap" -i eth0
for address in 10.0.0.2 2001:db8:0:1::2; do
  expect '' send_mail client "$address" "short, to $address"
  expect '' send_mail client "$address" "attachment, to $address" --attach @list.txt
  expect_failure send_mail client "$address" 'to nobody here' --to someone@elsewhere.test
  expect '' send_mail client "$address" 'never sent' --quit-after EHLO
  delivered "short, to $address"
  delivered "attachment, to $address"
done
captures_end
