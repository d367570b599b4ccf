/** Rule sets to measure with, made here so that the bench needs nothing but the project. */

/**
 * A host firewall as one meets them: states first, then services. `extra` rules that no packet hits stand in front of the one for ESTABLISHED, so that every incoming packet is held against
 * each of them.
 */
export function hostFirewall(extra = 0): string {
  const services = [
    '-A INPUT -i lo -j ACCEPT',
    '-A INPUT -m conntrack --ctstate INVALID -j DROP',
    '-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-A INPUT -s 192.0.2.0/24 -j DROP',
    '-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -j DROP',
    '-A INPUT -p icmp -m icmp --icmp-type 8 -j ACCEPT',
    '-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT',
    '-A INPUT -p tcp -m multiport --dports 80,443 -m conntrack --ctstate NEW -j ACCEPT',
    '-A INPUT -p udp -m udp --dport 53 -j ACCEPT',
    '-A INPUT -p tcp -m tcp --dport 53 -j ACCEPT',
    '-A INPUT -p tcp -m tcp --dport 25 -m conntrack --ctstate NEW -j ACCEPT',
    '-A INPUT -p tcp -m tcp --dport 587 -m conntrack --ctstate NEW -j ACCEPT',
    '-A INPUT -p tcp -m tcp --dport 993 -m conntrack --ctstate NEW -j ACCEPT',
    '-A INPUT -p udp -m udp --dport 123 -j ACCEPT',
    '-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 3306 -j ACCEPT',
    '-A INPUT -s 10.0.0.0/8 -p tcp -m tcp --dport 5432 -j ACCEPT',
    '-A INPUT -s 10.0.0.0/8 -p udp -m udp --dport 161 -j ACCEPT',
    '-A INPUT -p udp -m udp --dport 137:138 -j DROP',
    '-A INPUT -p tcp -m tcp --dport 113 -j REJECT --reject-with tcp-reset',
  ];
  const more = Array.from({ length: extra }, (_, index) => {
    const third = Math.floor(index / 250);
    return `-A INPUT -s 172.16.${third}.${index % 250}/32 -p tcp -m tcp --dport ${8000 + (index % 1000)} -j DROP`;
  });
  const front = establishedRule(services);
  const lines = [...services.slice(0, front), ...more, ...services.slice(front), '-A INPUT -j DROP'];
  return ['*filter', ':INPUT DROP [0:0]', ':FORWARD DROP [0:0]', ':OUTPUT ACCEPT [0:0]', ...lines, 'COMMIT', ''].join('\n');
}

/** Which of these rules of INPUT, from 0, lets through what belongs to a connection. */
export const establishedRule = (rules: readonly string[]): number =>
  rules.filter((line) => line.startsWith('-A INPUT')).findIndex((line) => line.includes('ESTABLISHED'));

/** The same for a router: what was rules of INPUT is rules of FORWARD. */
export const forwardFirewall = (): string =>
  hostFirewall().replaceAll('-A INPUT', '-A FORWARD').replace('FORWARD -i lo', 'FORWARD -i eth9');

/** The same for IPv6. */
export const hostFirewall6 = (): string =>
  hostFirewall()
    .replaceAll(/-s 192\.0\.2\.0\/24/g, '-s 2001:db8:bad::/48')
    .replaceAll(/-s 10\.0\.0\.0\/8/g, '-s 2001:db8:1::/48')
    .replace('-p icmp -m icmp --icmp-type 8', '-p ipv6-icmp -m icmp6 --icmpv6-type 128');

/** A host firewall of as many rules that knows no connections. */
export function portFirewall(): string {
  const lines = hostFirewall()
    .split('\n')
    .filter((line) => line.startsWith('-A INPUT'))
    .map((line) =>
      line
        .replace('-m conntrack --ctstate INVALID', '-p tcp -m tcp --tcp-flags SYN,FIN SYN,FIN')
        .replace('-m conntrack --ctstate RELATED,ESTABLISHED', '-p udp -m udp --sport 53')
        .replace(' -m conntrack --ctstate NEW', ''),
    )
    .map((line) => line.replace('! --tcp-flags FIN,SYN,RST,ACK SYN', '--tcp-flags ALL NONE'));
  return ['*filter', ':INPUT DROP [0:0]', ':FORWARD DROP [0:0]', ':OUTPUT ACCEPT [0:0]', ...lines, 'COMMIT', ''].join('\n');
}
