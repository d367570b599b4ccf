#!/bin/bash
# Checks what lies in pcaps/: that every capture reads to its end, holds whole packets with good checksums, that
# iptables (both backends) loads every rule set, and that the seed's counters are those its capture must give.
# Needs root (a network namespace for each load), tcpdump, tshark, iptables. Prints what is wrong; exit 1 then.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 4
[ "$(id -u)" = 0 ] || { echo 'check.sh: needs root' >&2; exit 4; }
here=$PWD/record
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
wrong=0
bad() { echo "WRONG $*"; wrong=1; }

# fields FILE FILTER FIELD...: tshark, with every checksum looked at.
fields() {
  local file=$1 filter=$2 field asked=()
  shift 2
  for field in "$@"; do asked+=(-e "$field"); done
  tshark -r "$file" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
    -Y "$filter" -T fields "${asked[@]}" 2>/dev/null
}

check_capture() {
  local file=$1 read sums
  [ "${file##*.}" != gz ] || { zcat "$file" >"$scratch/plain" && file=$scratch/plain; }
  tcpdump -nr "$file" >"$scratch/packets" 2>"$scratch/errors" || bad "$1: $(tail -n 1 "$scratch/errors")"
  ! grep -qE 'truncated|bad dump' "$scratch/errors" "$scratch/packets" || bad "$1: truncated"
  [ -z "$(fields "$file" 'frame.cap_len != frame.len' frame.number)" ] || bad "$1: packets cut short"
  # Checksums of what an ICMP error carries are those of the packet as it was at the router, so ICMP's own count.
  sums=$(fields "$file" '!icmp && !icmpv6 && (ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0)' frame.number | wc -l)
  [ "$sums" = 0 ] || bad "$1: $sums bad checksums"
  read=$(wc -l <"$scratch/packets")
  [ "$read" -gt 0 ] || bad "$1: empty"
  echo "ok    $1: $read packets"
}

check_rules() {
  local program=iptables backend
  [ "${1##*.}" = v4 ] || program=ip6tables
  for backend in legacy nft; do
    unshare --net env XTABLES_LOCKFILE="$scratch/lock" "$program-$backend-restore" <"$1" >"$scratch/said" 2>&1 \
      || bad "$1 ($backend): $(head -n 1 "$scratch/said")"
  done
  echo "ok    $1"
}

# The counters the kernel gave while seed/traffic.pcap was recorded, against packets and bytes counted by tshark.
check_seed() {
  local counters=$1 match=$2 filter=$3 counted said
  counted=$(fields seed/traffic.pcap "$filter" ip.len | awk '{ n++; bytes += $1 } END { print n ":" bytes }')
  said=$(sed -n "s/^\[\([0-9:]*\)\] .*$match.*/\1/p" "$counters")
  [ "$counted" = "$said" ] || bad "$counters: $match is $said, the capture says $counted"
}

for file in */*.pcap */*.pcapng */*.pcap.gz; do check_capture "$file"; done
for file in */*.rules.v[46] */rules.v[46]; do check_rules "$file"; done

for counters in seed/*.counters.v4; do
  check_seed "$counters" dns 'ip.dst == 10.0.0.2 && udp.dstport == 53'
  check_seed "$counters" web 'ip.dst == 10.0.0.2 && tcp.dstport == 80 && tcp.flags.syn == 1'
  check_seed "$counters" mail 'ip.dst == 10.0.0.2 && tcp.dstport == 25 && tcp.flags.syn == 1'
  check_seed "$counters" ESTABLISHED 'ip.dst == 10.0.0.2 && tcp.flags.syn == 0'
done

unshare --net bash -c '. "$1/learner-saves.sh"; host() { :; }; on() { shift; "$@"; }; learner_saves seed/learner.sh "$2"' - \
  "$here" "$scratch/learner" || bad 'seed/learner.sh does not run'
diff <(grep -v '^#' "$scratch/learner") <(grep -v '^#' seed/learner.rules.v4) >&2 || bad 'seed/learner.rules.v4 is not what seed/learner.sh saves'

exit $wrong
