#!/bin/sh
# Installs the kernel with a virtual clock that src/kernel/virtual asks about everything that depends on time: Debian's User-Mode Linux (6.1, HZ 100), modprobe for its modules,
# and a C compiler for the two small helpers (src/kernel/virtual/guest). Debian only; Linux 6.12 is built on demand by setup-virtual-kernel-6.12.sh.
#
# Idempotent: says nothing and touches nothing where everything is there. Where it cannot install, it names what is missing and why and exits 0, because the tests then skip by
# name; under CI=true a silent skip would be a green lie, so it exits 1.
set -u

# file:package
needs='
/usr/bin/linux.uml:user-mode-linux
/usr/lib/uml/modules:user-mode-linux
/sbin/modprobe:kmod
/usr/bin/gcc:gcc
/usr/include/stdio.h:libc6-dev
'

missing() {
  for pair in $needs; do
    [ -e "${pair%%:*}" ] || printf '%s\n' "${pair##*:}"
  done | sort -u | tr '\n' ' '
}

give_up() {
  echo "setup-virtual-kernel: missing: $(missing)- $1" >&2
  if [ "${CI:-}" = true ]; then exit 1; fi
  echo 'setup-virtual-kernel: tests against virtual-clock kernels will be skipped' >&2
  exit 0
}

packages=$(missing)
[ -n "$packages" ] || exit 0

[ "$(uname -sm)" = 'Linux x86_64' ] || give_up 'User-Mode Linux is for Linux on x86-64'
command -v apt-get >/dev/null 2>&1 || give_up 'no apt-get here, and these are packages of Debian'
[ "$(id -u)" = 0 ] || give_up "not root; run: sudo apt-get install --no-install-recommends $packages"

log=$(mktemp) || give_up 'cannot make a temporary file'
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # package names are meant to be split
if ! { apt-get -qq update && apt-get -qq -y install --no-install-recommends $packages; } </dev/null >"$log" 2>&1; then
  tail -n 5 "$log" >&2
  give_up 'apt-get failed, its last lines are above'
fi
[ -z "$(missing)" ] || give_up "apt-get installed $packages, yet something is not where it should be"
echo "setup-virtual-kernel: installed $packages" | sed 's/ *$//'
