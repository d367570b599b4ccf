# OpenSSH: commands, a copy each way, a login that is refused. Recorded by dumpcap: pcapng, device named.
two_hosts
ssh_server server
capture_ng server "$out/capture.pcapng" -i eth0
seq 1 3000 >list.txt
ssh-keygen -q -t ed25519 -N '' -f stranger
copy=(scp -q -F none -i "$PWD/id" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR)

for address in 10.0.0.2 2001:db8:0:1::2; do
  expect 'hello from the server' ssh_to client "root@$address" echo hello from the server
  expect '' on client "${copy[@]}" list.txt "root@[$address]:/tmp/list.$$"
  expect '' on client "${copy[@]}" "root@[$address]:/tmp/list.$$" back.txt
  cmp list.txt back.txt
  rm -f "/tmp/list.$$" back.txt
  # Somebody types: one key a packet.
  (for word in date uptime exit; do sleep 0.3; echo $word; done) | ssh_to client -tt "root@$address" >session 2>&1
  # A key the server does not know.
  expect_failure on client ssh -F none -i "$PWD/stranger" -o IdentitiesOnly=yes -o BatchMode=yes \
    -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "root@$address" true
done
captures_end
