# The servers, each in the foreground on one host, with a configuration written here.
# shellcheck shell=bash

certificate() {
  [ -f cert.pem ] || openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=www.example.test \
    -keyout key.pem -out cert.pem 2>/dev/null
}

# web_server HOST: nginx on 80 and 443, both families; /small.html, /large.bin (24 kB), /slow.bin (the same at 4 kB/s), /upload.
web_server() {
  local root=$PWD/www-$1
  certificate
  mkdir -p "$root" && chmod 755 "$PWD" "$root"
  echo '<!doctype html><title>wasmtables</title><p>A small page.' >"$root/small.html"
  head -c 24000 /dev/zero | tr '\0' 'w' >"$root/large.bin"
  cat >"nginx-$1.conf" <<CONF
daemon off; worker_processes 1; pid $PWD/nginx-$1.pid; error_log $PWD/nginx-$1.error;
events { worker_connections 128; }
http {
  access_log off; keepalive_timeout 5;
  server {
    listen 80; listen [::]:80; listen 443 ssl; listen [::]:443 ssl;
    ssl_certificate $PWD/cert.pem; ssl_certificate_key $PWD/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
    root $root;
    location = /upload { return 204; }
    location = /slow.bin { alias $root/large.bin; limit_rate 4k; }
  }
}
CONF
  in_background "$1" nginx -e "$PWD/nginx-$1.error" -c "$PWD/nginx-$1.conf"
  listening "$1" tcp 443
}

# ssh_server HOST: sshd on 22 that knows the key ./id of root.
ssh_server() {
  [ -f id ] || ssh-keygen -q -t ed25519 -N '' -f id
  [ -f hostkey ] || ssh-keygen -q -t ed25519 -N '' -f hostkey
  cat >"sshd-$1.conf" <<CONF
Port 22
AddressFamily any
HostKey $PWD/hostkey
AuthorizedKeysFile $PWD/id.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
PidFile none
Subsystem sftp internal-sftp
CONF
  in_background "$1" /usr/sbin/sshd -D -e -f "$PWD/sshd-$1.conf"
  listening "$1" tcp 22
}

# ssh_to HOST USER@ADDRESS COMMAND...: with that key.
ssh_to() {
  local from=$1
  shift
  on "$from" ssh -F none -i "$PWD/id" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$@"
}

# name_server HOST WEB4 WEB6: dnsmasq on 53, UDP and TCP, for example.test alone.
name_server() {
  cat >"dnsmasq-$1.conf" <<CONF
keep-in-foreground
no-resolv
no-hosts
no-daemon
bind-dynamic
pid-file=$PWD/dnsmasq-$1.pid
user=root
auth-ttl=60
local=/test/
local=/10.in-addr.arpa/
host-record=www.example.test,$2,$3
host-record=mail.example.test,$2,$3
mx-host=example.test,mail.example.test,10
txt-record=example.test,"v=spf1 mx -all"
edns-packet-max=1232
CONF
  local n
  for n in $(seq 1 30); do
    echo "txt-record=long.example.test,\"$n: an answer too long for a datagram, so that the resolver asks again over TCP\""
  done >>"dnsmasq-$1.conf"
  in_background "$1" dnsmasq -C "$PWD/dnsmasq-$1.conf"
  listening "$1" tcp 53
  listening "$1" udp 53
}

# time_server HOST: chronyd on 123 that serves its own clock and sets none (-x).
time_server() {
  printf 'local stratum 8\nallow all\ncmdport 0\npidfile %s\ndriftfile %s\n' \
    "$PWD/chronyd-$1.pid" "$PWD/drift-$1" >"chronyd-$1.conf"
  in_background "$1" chronyd -x -d -u root -f "$PWD/chronyd-$1.conf"
  listening "$1" udp 123
}

# time_query HOST SERVER: asks for the time and only prints how far the clock is off (-Q never sets it).
time_query() {
  on "$1" chronyd -Q -x -u root -t 10 -f /dev/null "pidfile $PWD/query.pid" 'cmdport 0' "server $2 iburst maxsamples 4"
}

# mail_server HOST ADDRESS...: OpenSMTPD on 25, into the maildir ./mail. In the clear: STARTTLS of Debian 12's
# OpenSMTPD 6.8 ends in an internal error with its OpenSSL 3.
mail_server() {
  local address
  echo 'root: mail' >/etc/aliases
  for address in "${@:2}"; do echo "listen on $address port 25 hostname mail.example.test"; done >"smtpd-$1.conf"
  cat >>"smtpd-$1.conf" <<CONF
table aliases file:/etc/aliases
action "local" maildir "$PWD/mail" alias <aliases>
match from any for domain "example.test" action "local"
match for local action "local"
CONF
  mkdir -p mail/new && chown -R mail mail && chmod 755 "$PWD"
  in_background "$1" smtpd -d -f "$PWD/smtpd-$1.conf"
  listening "$1" tcp 25
}

# send_mail HOST SERVER SUBJECT swaks-arguments...
send_mail() {
  local from=$1 server=$2 subject=$3
  shift 3
  on "$from" swaks --silent 2 --server "$server" --ehlo pc.example.test --from someone@example.test \
    --to root@example.test --h-Subject "$subject" \
    --body 'Sent by a real client to a real server.' "$@"
}

# delivered SUBJECT: the mail lies in the maildir.
delivered() { until_true 10 grep -rqF "Subject: $1" mail/new; }

# file_server HOST: vsftpd on 21, anonymous, passive data ports 40000 to 40010.
file_server() {
  local root=$PWD/ftp
  mkdir -p "$root/incoming" "$PWD/empty" && chmod 755 "$PWD" "$root" && chmod 777 "$root/incoming"
  seq 1 2000 >"$root/numbers.txt" && chmod 644 "$root/numbers.txt"
  cat >"vsftpd-$1.conf" <<CONF
listen=NO
listen_ipv6=YES
background=NO
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_umask=022
anon_root=$root
no_anon_password=YES
connect_from_port_20=YES
pasv_min_port=40000
pasv_max_port=40010
seccomp_sandbox=NO
isolate_network=NO
secure_chroot_dir=$PWD/empty
xferlog_enable=NO
CONF
  in_background "$1" vsftpd "$PWD/vsftpd-$1.conf"
  listening "$1" tcp 21
}
