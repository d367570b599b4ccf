#!/bin/sh
# Debian 12 packages the recording scripts run. Services are kept from starting: they only ever run inside
# the namespaces record.sh makes. Needs root; not needed to use the captures, only to record them again.
set -eu

packages='
  iproute2 ethtool tcpdump wireshark-common tshark iptables conntrack
  nginx-light curl openssl
  openssh-server openssh-client
  dnsmasq-base bind9-dnsutils
  chrony
  vsftpd
  opensmtpd swaks libio-socket-inet6-perl
  iputils-ping traceroute iperf3 nmap sip-tester
  ufw firewalld dbus
  python3
'

# Debian asks this script before it starts a service; ours says no, and goes away again.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi

export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# shellcheck disable=SC2086 # package names are meant to be split
apt-get -qq -y install --no-install-recommends $packages
