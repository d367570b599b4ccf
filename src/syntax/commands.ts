/** What a firewall script calls besides iptables. */
import { WRAPPER_NAMES } from './wrappers.ts';

const words = (text: string): string[] => text.split(' ');

/** Commands that have no say in the rules. */
export const HARMLESS: ReadonlySet<string> = new Set(
  words(
    'echo printf true false : set cd sleep modprobe insmod rmmod depmod sysctl exit logger date test [ mkdir touch chmod chown rm cp mv cat grep egrep sed awk ' +
      'ip ifconfig route tc ethtool hostname uname id clear tput read umask export readonly local unset shift wait trap systemctl chkconfig update-rc.d ' +
      'ls head tail sort wc tee column less more which type man command apt apt-get aptitude dpkg yum dnf rpm apk pacman',
  ),
);

/** Commands that load rules from elsewhere: these cannot be followed. */
export const REFUSED: ReadonlySet<string> = new Set(
  words(
    'iptables-restore ip6tables-restore iptables-legacy-restore iptables-nft-restore ip6tables-legacy-restore ip6tables-nft-restore iptables-apply nft ' +
      'firewall-cmd ufw ipset source . eval exec bash sh iptables-xml',
  ),
);

/** Words of the shell itself that cannot be followed, with what they are. */
export const KEYWORDS: ReadonlyMap<string, string> = new Map([
  ...words('if then else elif fi case esac [[').map((word) => [word, 'a condition'] as const),
  ...words('for while until do done select').map((word) => [word, 'a loop'] as const),
  ['function', 'a function'],
  ['{', 'a group'],
  ['}', 'a group'],
]);

/** All that a shell script may begin a line with, as far as it is known. */
export const KNOWN_COMMANDS: ReadonlySet<string> = new Set([
  ...HARMLESS,
  ...REFUSED,
  ...KEYWORDS.keys(),
  ...WRAPPER_NAMES,
  ...words('service rc-service netfilter-persistent return'),
]);
