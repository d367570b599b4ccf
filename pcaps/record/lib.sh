# Hosts, links and captures. Sourced by record.sh, inside its private namespaces.
# shellcheck shell=bash

work=/mnt # a tmpfs of this mount namespace; the host's /mnt is not touched
pcaps=$(cd "$here/.." && pwd)

die() { echo "record: $*" >&2; exit 1; }

# Copies-on-write of what the services write to, so that the machine is as it was.
private_machine() {
  mount -t tmpfs tmpfs "$work"
  for dir in etc var root; do
    mkdir -p "$work/.cow/$dir/upper" "$work/.cow/$dir/work"
    mount -t overlay overlay -o "lowerdir=/$dir,upperdir=$work/.cow/$dir/upper,workdir=$work/.cow/$dir/work" "/$dir"
  done
  mount -t tmpfs tmpfs /run
  mkdir -p /run/lock /run/sshd /run/chrony /etc/netns
  ip link set lo up
}

# run_scenario NAME SCRIPT: one scenario in a folder of its own, its files kept when it ended well. A script
# puts what is to be kept into $out.
run_scenario() {
  local name=$1 script=$2
  echo "== $name"
  if ! (
    scratch=$work/$name
    out=$scratch/out
    mkdir -p "$out"
    cd "$scratch"
    # shellcheck disable=SC1090
    . "$script"
  ); then
    remove_hosts
    tail -n 5 "$work/$name/"*.log >&2 || true
    die "scenario '$name' failed; its files were not kept"
  fi
  remove_hosts
  mkdir -p "$pcaps/$name"
  cp "$work/$name/out/"* "$pcaps/$name/"
  ls -l "$work/$name/out" | awk 'NR > 1 { print "   " $9, $5 }'
}

# on HOST COMMAND...: runs a command on a host.
on() { ip netns exec "$@"; }

# in_background HOST COMMAND...: a service that stays in the foreground; its words go to HOST.log.
in_background() { ip netns exec "$@" >>"$1.log" 2>&1 </dev/null & }

# host NAME: a network namespace, that asks itself for names: never the resolver of the machine. IPv6 chatter that no rule set is about (router solicitations, duplicate
# address detection) is switched off, multicast listener reports are over after some 0.1 s.
host() {
  ip netns add "$1"
  names "$1" 127.0.0.1
  on "$1" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
    net.ipv6.conf.default.router_solicitations=0 net.ipv6.conf.default.mldv2_unsolicited_report_interval=50 \
    net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.ping_group_range='0 2147483647'
  on "$1" ip link set lo up
}

# router NAME: a host that forwards both families.
router() {
  host "$1"
  on "$1" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.send_redirects=0
}

# link HOST DEVICE MAC HOST DEVICE MAC: a cable between two hosts. Without offloads, so that what is captured
# is what a wire would carry: good checksums, no packet longer than the MTU.
link() {
  ip link add "$2" address "$3" netns "$1" type veth peer name "$5" address "$6" netns "$4"
  local pair
  for pair in "$1 $2" "$4 $5"; do
    # shellcheck disable=SC2086
    set_up_device $pair
  done
}

set_up_device() {
  on "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null
  on "$1" ip link set "$2" up
}

# addresses HOST DEVICE ADDRESS/LENGTH...
addresses() {
  local on_host=$1 device=$2 address
  shift 2
  for address in "$@"; do on "$on_host" ip addr add "$address" dev "$device"; done
}

# gateway_of HOST ROUTER4 ROUTER6
gateway_of() {
  on "$1" ip -4 route add default via "$2"
  on "$1" ip -6 route add default via "$3"
}

# The two hosts most scenarios need: client (10.0.0.1) and server (10.0.0.2), both with eth0.
two_hosts() {
  host client
  host server
  link client eth0 02:00:0a:00:00:01 server eth0 02:00:0a:00:00:02
  addresses client eth0 10.0.0.1/24 2001:db8:0:1::1/64
  addresses server eth0 10.0.0.2/24 2001:db8:0:1::2/64
}

# names HOST SERVER: look-ups on HOST go to SERVER.
names() {
  mkdir -p "/etc/netns/$1"
  printf 'nameserver %s\n' "$2" >"/etc/netns/$1/resolv.conf"
}

remove_hosts() {
  local name
  for name in $(ip netns list | cut -d' ' -f1); do
    ip netns pids "$name" | xargs -r kill -KILL 2>/dev/null || true
    ip netns del "$name"
  done
  rm -rf /etc/netns/*
}

# until_true SECONDS COMMAND...
until_true() {
  local left=$(($1 * 10))
  shift
  until "$@" >/dev/null 2>&1; do
    left=$((left - 1))
    [ $left -gt 0 ] || die "waited in vain for: $*"
    sleep 0.1
  done
}

# listening HOST tcp|udp PORT: waits until a service is there.
listening() { until_true 10 has_socket "$@"; }

has_socket() {
  local kind=-t
  [ "$2" = tcp ] || kind=-u
  on "$1" ss -Hln "$kind" | grep -qE "[:.]$3[[:space:]]"
}

captures=() # process:file of every capture that runs

# capture HOST FILE tcpdump-arguments...: starts tcpdump; captures_end stops it.
capture() {
  local where=$1 file=$2
  shift 2
  sleep 0.5 # multicast listener reports of the new links are over then
  ip netns exec "$where" tcpdump -Z root -B 65536 -U -n -w "$file" "$@" 2>"$file.log" &
  captures+=("$!:$file")
  until_true 10 grep -q 'listening on' "$file.log"
}

# capture_ng HOST FILE dumpcap-arguments...: the same in pcapng, which keeps the names of the devices.
capture_ng() {
  local where=$1 file=$2
  shift 2
  sleep 0.5
  ip netns exec "$where" dumpcap -q -B 64 -w "$file" "$@" 2>"$file.log" &
  captures+=("$!:$file")
  until_true 10 test -s "$file"
  sleep 3 # dumpcap does not say when it listens on the last of its devices
}

# Stops every capture, and fails the scenario where the kernel could not keep up.
captures_end() {
  local one file
  sleep 1
  for one in "${captures[@]}"; do
    file=${one#*:}
    kill -TERM "${one%%:*}"
    wait "${one%%:*}" || true
    grep -qE '^0 packets dropped by kernel|: [0-9]+/0 \(pcap:0/dumpcap:0/' "$file.log" \
      && ! grep -qE '/[1-9][0-9]* \(pcap:' "$file.log" || die "packets were lost: $(tail -n 3 "$file.log")"
    rm "$file.log"
  done
  captures=()
}

# expect TEXT COMMAND...: the command must succeed and print TEXT, else the scenario recorded something else
# than it says.
expect() {
  local text=$1 said
  shift
  said=$("$@" 2>&1) || die "failed: $*: $said"
  grep -qF -- "$text" <<<"$said" || die "'$text' is not in what '$*' said: $said"
}

# expect_failure COMMAND...: what must not succeed, such as a connection to a closed port.
expect_failure() { if "$@" >/dev/null 2>&1; then die "should have failed: $*"; fi; }

# url ADDRESS: as it stands in a URL.
url() { case $1 in *:*) echo "[$1]" ;; *) echo "$1" ;; esac; }
