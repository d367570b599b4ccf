/** The script of a case: shows it on any Linux with iptables, iproute2 and tcpreplay (and perl, where the firewall itself sends). */
import type { Family } from '../model/ruleset.ts';
import type { About } from './folder.ts';

/**
 * `show.sh`: the rules on a router or host in network namespaces of its own, the capture through it, the kernel's counters on standard output. Reads the files beside it.
 * @param sends the firewall sends packets of its own.
 */
export function showScript(about: About, family: Family, sends: boolean): string {
  const { host } = about;
  const tools = family === 4 ? 'iptables' : 'ip6tables';
  const local = (host.local ?? []).map((address) => (address.includes('/') ? address : `${address}/${family === 4 ? 32 : 128}`));
  return `#!/bin/sh
# Shows what this machine's kernel does with rules.v${family} and capture.pcap: ./show.sh [legacy|nft], both when not said. Needs root, ${tools}, iproute2, tcpreplay${sends ? ', perl' : ''}.
# Everything happens in network namespaces of its own that go when the script ends; the firewall of this machine is never touched.
set -eu
cd "$(dirname "$0")"
PATH="$PATH:/usr/sbin:/sbin"
gen="show-gen-$$" fw="show-fw-$$" sink="show-sink-$$"
tmp=$(mktemp -d)

cleanup() {
  for name in "$gen" "$fw" "$sink"; do ip netns del "$name" 2>/dev/null || true; done
}
trap 'cleanup; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM

for tool in ip tcpreplay${sends ? ' perl' : ''}; do
  command -v "$tool" >/dev/null || { echo "missing: $tool" >&2; exit 4; }
done

# A command in the firewall's namespace; refuses to run in the host's.
in_fw() {
  ip netns exec "$fw" sh -c '[ "$(readlink /proc/self/ns/net)" != "$(readlink /proc/1/ns/net)" ] || exit 99; exec "$@"' in_fw "$@"
}

set_all() { # name value
  for where in all default; do in_fw sysctl -qw "net.ipv${family}.conf.$where.$1=$2"; done
}

build() {
  for name in "$gen" "$fw" "$sink"; do ip netns add "$name"; done
  # Nobody but the capture may speak: no neighbour discovery, no router solicitations.
  for name in "$gen" "$sink"; do ip netns exec "$name" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1; done
${family === 4 ? setup4 : setup6}
  ip -n "$fw" link set lo up
  ip -n "$fw" link add ${host.in ?? 'eth0'} address 02:00:00:00:00:01 mtu 65535 type veth peer name v0 mtu 65535 netns "$gen"
  ip -n "$fw" link set ${host.in ?? 'eth0'} arp off up
  ip -n "$gen" link set v0 up
${host.forward === true ? forward(host.out ?? 'eth1') : ''}${local.map((address) => `  ip -n "$fw" addr add ${address} dev ${host.in ?? 'eth0'}${family === 6 ? ' nodad' : ''}\n`).join('')}  ip -n "$fw" ${family === 6 ? '-6 ' : ''}route add default dev ${host.forward === true ? (host.out ?? 'eth1') : (host.in ?? 'eth0')}
${sysctls(about)}  # The kernel's own answers (resets, ICMP errors) are dropped. Where the capture holds them (REJECT), it is they that are sent: without the connection of what they answer, unlike in expected.json.
  in_fw nft add table inet show_own 2>/dev/null && in_fw nft 'add chain inet show_own out { type filter hook output priority -500; }' && in_fw nft add rule inet show_own out meta priority != 5754:1 drop || true
}

${sends ? INTERLEAVED : REPLAYED(about.spacing === 'real')}
show() { # backend
  command -v "${tools}-$1-restore" >/dev/null || { echo "missing: ${tools}-$1-restore" >&2; exit 4; }
  build
  in_fw "${tools}-$1-restore" < rules.v${family}
  inject
  sleep 0.3
  echo "# $1, $(uname -r)"
  in_fw "${tools}-$1-save" -c
  cleanup
}

for backend in \${1:-${about.backends.join(' ')}}; do show "$backend"; done
`;
}

const setup4 = `  in_fw sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 net.ipv4.ip_forward=1
  for name in rp_filter send_redirects accept_redirects accept_source_route log_martians; do set_all "$name" 0; done`;

const setup6 = `  for name in accept_ra accept_dad autoconf accept_redirects router_solicitations; do set_all "$name" 0; done
  set_all forwarding 1
  in_fw sysctl -qw net.ipv6.conf.default.addr_gen_mode=1`;

const forward = (
  out: string,
): string => `  ip -n "$fw" link add ${out} address 02:00:00:00:00:02 mtu 65535 type veth peer name v1 mtu 65535 netns "$sink"
  ip -n "$fw" link set ${out} arp off up
  ip -n "$sink" link set v1 up
`;

const sysctls = ({ sysctls: given }: About): string =>
  Object.entries(given ?? {})
    .map(([name, value]) => `  in_fw sysctl -qw ${name.includes('.') ? name : `net.netfilter.${name}`}=${value}\n`)
    .join('');

const REPLAYED = (real: boolean): string => `inject() {
  ip netns exec "$gen" tcpreplay -q ${real ? '' : '-t '}-i v0 capture.pcap >/dev/null 2>"$tmp/tcpreplay" || { cat "$tmp/tcpreplay" >&2; exit 1; }
}
`;

/** Cut into runs of one direction, in the order of the capture. */
const INTERLEAVED = `# The capture in runs of one direction: what the firewall's own MAC sent goes through a raw socket inside the firewall, the rest through tcpreplay.
inject() {
  perl -e '
    my ($file, $folder) = @ARGV;
    open my $in, "<:raw", $file or die; local $/; my $all = <$in>;
    my $little = substr($all, 0, 1) eq "\\xd4" || substr($all, 0, 1) eq "\\x4d";
    my ($at, $run, $before, $out) = (24, 0, "");
    while ($at + 16 <= length $all) {
      my $length = unpack($little ? "V" : "N", substr $all, $at + 8, 4);
      my $way = substr($all, $at + 22, 6) eq "\\x02\\0\\0\\0\\0\\x01" ? "own" : "wire";
      if ($way ne $before) { open $out, ">:raw", sprintf "%s/%05d.%s", $folder, $run++, $way or die; print $out substr $all, 0, 24; }
      print $out substr $all, $at, 16 + $length;
      ($at, $before) = ($at + 16 + $length, $way);
    }' capture.pcap "$tmp"
  for run in "$tmp"/*.own "$tmp"/*.wire; do echo "$run"; done | sort | while read -r run; do
    case "$run" in
      *'*'*) ;;
      *.wire) ip netns exec "$gen" tcpreplay -q -t -i v0 "$run" >/dev/null 2>&1 ;;
      *.own) in_fw perl -e '
        use Socket;
        open my $in, "<:raw", $ARGV[0] or die; local $/; my $all = <$in>;
        my $little = substr($all, 0, 1) eq "\\xd4" || substr($all, 0, 1) eq "\\x4d";
        for (my $at = 24; $at + 16 <= length $all;) {
          my $length = unpack($little ? "V" : "N", substr $all, $at + 8, 4);
          my $packet = substr $all, $at + 30, $length - 14;
          $at += 16 + $length;
          my $six = ord($packet) >> 4 == 6;
          my $size = $six ? 40 + unpack("n", substr $packet, 4, 2) : unpack("n", substr $packet, 2, 2);
          $packet = substr $packet, 0, $size if $size > 20 && $size < length $packet;
          socket(my $raw, $six ? AF_INET6 : AF_INET, SOCK_RAW, 255) or die "socket: $!";
          setsockopt($raw, $six ? 41 : 0, $six ? 36 : 3, pack "i", 1) or die "header included: $!";
          setsockopt($raw, SOL_SOCKET, 12, pack "I", 0x57540001) or die "priority: $!";
          my $to = $six ? pack("SnNa16L", AF_INET6, 0, 0, substr($packet, 24, 16), 0) : pack("Sna4x8", AF_INET, 0, substr $packet, 16, 4);
          # Not permitted: a rule dropped it on its way out.
          send($raw, $packet, 0, $to) or $! == 1 or warn "send: $!\\n";
        }' "$run" ;;
    esac
  done
  rm -f "$tmp"/*.own "$tmp"/*.wire
}
`;
