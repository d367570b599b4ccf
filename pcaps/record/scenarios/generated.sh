# What ufw and firewalld make for a simple server (ssh, web, dns), as iptables-save and ip6tables-save print it.
# Both tools write through iptables-legacy here; /etc is a copy, so that the machine's own settings stay.
# No capture of its own: scenario.json uses the learner's.
for tool in iptables ip6tables; do update-alternatives --quiet --set $tool /usr/sbin/$tool-legacy; done

host ufwhost
on ufwhost ufw --force reset >/dev/null
for service in 22/tcp 80/tcp 443/tcp 53; do on ufwhost ufw allow $service >/dev/null; done
expect 'Firewall is active' on ufwhost ufw --force enable
on ufwhost iptables-save >"$out/ufw.rules.v4"
on ufwhost ip6tables-save >"$out/ufw.rules.v6"

host firewalldhost
mkdir -p /run/dbus /run/firewalld /etc/firewalld
sed -i 's/^FirewallBackend=.*/FirewallBackend=iptables/; s/^IndividualCalls=.*/IndividualCalls=yes/' /etc/firewalld/firewalld.conf
grep -qx 'FirewallBackend=iptables' /etc/firewalld/firewalld.conf || die 'firewalld.conf has no FirewallBackend'
in_background firewalldhost dbus-daemon --system --nofork --nopidfile
until_true 10 test -S /run/dbus/system_bus_socket
in_background firewalldhost /usr/bin/python3 -Es /usr/sbin/firewalld --nofork --nopid
until_true 30 on firewalldhost firewall-cmd --state
for service in ssh http https dns; do expect success on firewalldhost firewall-cmd --zone=public --add-service=$service; done
expect ssh on firewalldhost firewall-cmd --list-services
on firewalldhost iptables-save >"$out/firewalld.rules.v4"
on firewalldhost ip6tables-save >"$out/firewalld.rules.v6"
