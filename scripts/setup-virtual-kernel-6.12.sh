#!/bin/sh
# Builds Linux 6.12 as User-Mode Linux with a virtual clock (HZ 250, all of netfilter built in) from Debian's package linux-source-6.12, for src/kernel/virtual.
# On demand only: npm run virtual-kernel. It takes some 10 minutes of one processor and 2 GB below TMPDIR, and leaves one file of 8 MB in the cache:
#
#   ${XDG_CACHE_HOME:-~/.cache}/wasmtables/virtual/linux-VERSION-hzHZ-CONFIGHASH
#
# src/kernel/virtual/kernels.ts looks for that name. Idempotent: says so and does nothing when the kernel is there.
# HZ=1000 in the environment builds another one beside it. JOBS: parallel compilers (default: all processors).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
config="$here/virtual-kernel-6.12.config"
source=/usr/src/linux-source-6.12.tar.xz
hz=${HZ:-250}
cache="${XDG_CACHE_HOME:-$HOME/.cache}/wasmtables/virtual"
packages='linux-source-6.12 gcc make flex bison bc libc6-dev libelf-dev xz-utils'

give_up() {
  echo "setup-virtual-kernel-6.12: $1" >&2
  exit 1
}

installed() {
  for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || return 1
  done
}

hash=$(sha256sum "$config" | cut -c 1-12)
have=$(find "$cache" -maxdepth 1 -name "linux-6.12.*-hz$hz-$hash" 2>/dev/null | head -n 1)
if [ -n "$have" ]; then
  echo "setup-virtual-kernel-6.12: $have is there"
  exit 0
fi

command -v apt-get >/dev/null 2>&1 || give_up "no apt-get here; the source and its tools are Debian packages: $packages"
if ! installed; then
  [ "$(id -u)" = 0 ] || give_up "not root; run: sudo apt-get install --no-install-recommends $packages"
  log=$(mktemp)
  # shellcheck disable=SC2086 # package names are meant to be split
  if ! { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends $packages; } </dev/null >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    rm -f "$log"
    give_up 'apt-get failed, its last lines are above'
  fi
  rm -f "$log"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
echo "setup-virtual-kernel-6.12: building in $work"
tar -xf "$source" -C "$work" --strip-components=1
cd "$work"
version=$(make -s ARCH=um kernelversion)

# User-Mode Linux has no question for HZ, only a default.
sed -i "/^config HZ\$/,/default/s/default 100\$/default $hz/" arch/um/Kconfig

# Every symbol that netfilter has for IPv4, IPv6 and both, but the two of IPVS that are numbers; what has other needs is left out.
cp "$config" wanted.config
for kconfig in net/netfilter/Kconfig net/netfilter/ipset/Kconfig net/netfilter/ipvs/Kconfig net/ipv4/netfilter/Kconfig net/ipv6/netfilter/Kconfig net/bridge/netfilter/Kconfig; do
  sed -n -E 's/^(menu)?config ([A-Z0-9_]+)$/\2/p' "$kconfig"
done | sort -u | while read -r symbol; do
  case $symbol in *_BITS | *_INDEX) continue ;; esac
  grep -q "CONFIG_$symbol[= ]" "$config" || echo "CONFIG_$symbol=y"
done >>wanted.config
make -s ARCH=um KCONFIG_ALLCONFIG=wanted.config allnoconfig

for line in CONFIG_UML_TIME_TRAVEL_SUPPORT=y "CONFIG_HZ=$hz" CONFIG_NETFILTER_XT_MATCH_LIMIT=y CONFIG_NETFILTER_XT_TARGET_TRACE=y CONFIG_IP_NF_RAW=y CONFIG_IP6_NF_RAW=y \
  CONFIG_NFT_COMPAT=y CONFIG_NF_TABLES_INET=y CONFIG_NF_CT_NETLINK=y CONFIG_NETFILTER_NETLINK_LOG=y CONFIG_VETH=y CONFIG_HOSTFS=y; do
  grep -q "^$line\$" .config || give_up "the configuration came out without $line (see $config)"
done

if ! nice -n 19 make -s ARCH=um -j"${JOBS:-$(nproc)}" linux >build.log 2>&1; then
  tail -n 20 build.log >&2
  give_up 'the build failed, its last lines are above'
fi
mkdir -p "$cache"
kernel="$cache/linux-$version-hz$hz-$hash"
strip -o "$kernel.part" linux
mv "$kernel.part" "$kernel"
echo "setup-virtual-kernel-6.12: built $kernel"
