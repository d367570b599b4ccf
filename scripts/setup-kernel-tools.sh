#!/bin/sh
# Installs what the kernel oracle (src/kernel, test/kernel) calls: iptables with both backends, packet
# injection and capture, conntrack, iproute2, ipset, ipvsadm, ethtool, nft and nfacct. Debian and Ubuntu only.
#
# Idempotent: says nothing and touches nothing where every tool is there. Where it cannot install, it names
# the missing tools and the reason and exits 0, because the kernel tests then skip by name; under CI=true a
# silent skip would be a green lie, so it exits 1.
set -u

PATH="$PATH:/usr/sbin:/sbin"
export PATH

# tool:package, one a line; a package may bring several tools.
tools='
iptables-legacy-restore:iptables
iptables-nft-restore:iptables
ip6tables-legacy-restore:iptables
ip6tables-nft-restore:iptables
tcpreplay:tcpreplay
tcpdump:tcpdump
conntrack:conntrack
ip:iproute2
ipset:ipset
ipvsadm:ipvsadm
ethtool:ethtool
nft:nftables
nfacct:nfacct
'

missing_tools() {
  for pair in $tools; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || printf '%s ' "${pair%%:*}"
  done
}

missing_packages() {
  for pair in $tools; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || printf '%s\n' "${pair##*:}"
  done | sort -u | tr '\n' ' '
}

give_up() {
  echo "setup-kernel-tools: missing: $(missing_tools)- $1" >&2
  if [ "${CI:-}" = true ]; then exit 1; fi
  echo 'setup-kernel-tools: tests against the running kernel will be skipped' >&2
  exit 0
}

packages=$(missing_packages)
[ -n "$packages" ] || exit 0

command -v apt-get >/dev/null 2>&1 || give_up 'no apt-get here; install these tools with the package manager of this system'
[ "$(id -u)" = 0 ] || give_up "not root; run: sudo apt-get install --no-install-recommends $packages"

log=$(mktemp) || give_up 'cannot make a temporary file'
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # package names are meant to be split
if ! { apt-get -qq update && apt-get -qq -y install --no-install-recommends $packages; } </dev/null >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  give_up 'apt-get failed, its last lines are above'
fi
[ -z "$(missing_tools)" ] || give_up "apt-get installed $packages, yet the tools are not on the PATH"
echo "setup-kernel-tools: installed $packages" | sed 's/ *$//'
