#!/bin/bash
# Records the captures of pcaps/: real programs of Debian 12 talking through veth pairs between network
# namespaces, nothing of it leaving the machine.
#
#   sudo pcaps/record/install.sh             the packages, once
#   sudo pcaps/record/record.sh              every scenario
#   sudo pcaps/record/record.sh web dns      some of them (the names in scenarios/)
#
# All of it runs in mount, network, PID, IPC and UTS namespaces of its own, with copies-on-write of /etc and
# /var: the services cannot reach or change the host, and when this script ends - by kill -9 too - the kernel
# takes processes, namespaces and mounts away with it. Only pcaps/SCENARIO/ is written, and only after a
# scenario ended well.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ -z "${WASMTABLES_RECORDING:-}" ]; then
  [ "$(id -u)" = 0 ] || { echo 'record.sh: needs root, for namespaces and packet capture' >&2; exit 4; }
  exec unshare --mount --net --pid --ipc --uts --fork --kill-child=KILL --mount-proc \
    env WASMTABLES_RECORDING="$(readlink /proc/self/ns/net)" LC_ALL=C TZ=UTC bash "${BASH_SOURCE[0]}" "$@"
fi

if [ "$(readlink /proc/self/ns/net)" = "$WASMTABLES_RECORDING" ]; then
  echo 'record.sh: still in the network namespace it was started from; refusing to go on' >&2
  exit 70
fi
trap 'exit 130' INT TERM

# shellcheck source=lib.sh
. "$here/lib.sh"
# shellcheck source=services.sh
. "$here/services.sh"
private_machine

names=("$@")
if [ ${#names[@]} = 0 ]; then
  for file in "$here"/scenarios/*.sh; do names+=("$(basename "$file" .sh)"); done
fi

for name in "${names[@]}"; do
  [ -f "$here/scenarios/$name.sh" ] || { echo "record.sh: no scenario '$name' in $here/scenarios" >&2; exit 2; }
done
for name in "${names[@]}"; do
  run_scenario "$name" "$here/scenarios/$name.sh"
done
