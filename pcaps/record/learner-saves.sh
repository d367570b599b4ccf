# What `iptables-save` prints after a script of iptables commands has run on a host made for it.
# shellcheck shell=bash

# learner_saves SCRIPT FILE: `service iptables save` writes FILE, the last one counts, as on the learner's host.
learner_saves() {
  host learner
  on learner bash -c '
    saved=$2
    iptables() { iptables-legacy "$@"; }
    service() { [ "$*" = "iptables save" ] && iptables-legacy-save >"$saved"; }
    . "$1"' - "$1" "$2"
}
