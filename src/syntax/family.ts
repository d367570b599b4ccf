/** IPv4 or IPv6: told by the header comment, the commands, the addresses and the names in a text. */
import { parseAddress } from '../model/address.ts';
import type { Family } from '../model/ruleset.ts';

const SIX =
  /(^|\s)(-m\s+(icmp6|icmpv6|hl|frag|rt|hbh|dst|mh|eui64|ipv6header|srh|ah6)|-p\s+(icmpv6|ipv6-icmp)|--icmpv6-type|-j\s+(HL|SNPT|DNPT)|icmp6-[a-z-]+)(\s|$)/;
const FOUR = /(^|\s)(-m\s+(icmp|ttl|realm)|-p\s+icmp|--icmp-type|-j\s+TTL|icmp-(port|host|net|proto|admin)[a-z-]*)(\s|$)/;
const ADDRESS =
  /(?:^|\s)(?:-s|-d|--source|--src|--destination|--dst|--to-source|--to-destination|--src-range|--dst-range|--ctorigsrc|--ctorigdst)\s+(?:!\s+)?"?\[?([0-9a-fA-F:.]+)/g;

/** The family a rule file is for; undefined when nothing in it tells. */
export function guessFamily(text: string): Family | undefined {
  const header = /^#.*\b(ip6?tables)-(?:legacy-|nft-)?(?:save|restore)\b/m.exec(text);
  if (header !== null) return header[1] === 'ip6tables' ? 6 : 4;
  let [four, six] = [0, 0];
  for (const line of text.split('\n')) {
    if (line.trimStart().startsWith('#')) continue;
    if (FOUR.test(line)) four++;
    if (SIX.test(line)) six++;
    for (const [, address] of line.matchAll(ADDRESS)) {
      if (address?.includes(':') && parseAddress(address, 6) !== undefined) six++;
      else if (/^\d+\.\d+\.\d+\.\d+/.test(address ?? '')) four++;
    }
  }
  if (four === six) return undefined;
  return six > four ? 6 : 4;
}
