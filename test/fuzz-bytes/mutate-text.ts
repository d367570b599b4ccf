/** Rules spoilt on purpose: words, lines, numbers, quotes, and characters that come from web pages and other systems. */
import type { Random } from '../cli/random.ts';

/** Words that mean something to a reader, in the wrong place. */
const SCRAPS = [
  ...'-A -I -D -R -N -X -E -P -F -Z -j -g -m -p -s -d -i -o -f -c -t -4 -6 ! -- - --dport --sports --state --limit --tcp-flags --comment'.split(
    ' ',
  ),
  ...'INPUT FORWARD PREROUTING tcp udp icmp state conntrack limit multiport comment DROP LOG REJECT RETURN *filter *nat *raw :x COMMIT #'.split(
    ' ',
  ),
  ...'[1:2] 0 1 65535 65536 -1 0x10 4294967295 4294967296 18446744073709551616 1e9 1:2 2:1 : , 1,2 ,, 1.2.3.4/33 0/0 ::/0 fe80::1/129 10/s'.split(
    ' ',
  ),
  ...'iptables ip6tables iptables-restore $X $(x) `x` && || ; | > <<EOF ( ) { } if fi for done \\ " \''.split(' '),
  ...[
    '\u2013',
    '$' + '{X}',
    '\u2014s',
    '\u201c',
    '\u201d',
    '\u2019',
    '\u00a0',
    '\ufeff',
    '\u200b',
    '\t',
    '\r',
    '\v',
    '\0',
    '\u0130',
    '\ud800',
    '\u{1f525}',
    '\\\n',
    '\n',
    '\n\n',
    '',
  ],
];
/** Where words end; kept by split. */
const GAPS = /(\s+)/;

/** Changed in one to five places; `other` is a text for splices. */
export function mutateText(text: string, other: string, random: Random): string {
  let out =
    random.below(6) === 0 ? text.replace(/^-/gm, random.pick(['iptables -', 'ip6tables -t nat -', '/sbin/iptables -w -'])) : text;
  for (let times = 1 + random.below(5); times > 0; times--)
    out =
      random.below(3) === 0
        ? byLine(out, other, random)
        : random.below(2) === 0
          ? byWord(out, other, random)
          : byCharacter(out, random);
  return out;
}

function byLine(text: string, other: string, random: Random): string {
  const lines = text.split('\n');
  const at = random.below(lines.length);
  const foreign = other.split('\n');
  switch (random.below(6)) {
    case 0:
      lines.splice(at, 1);
      break;
    case 1:
      lines.splice(at, 0, lines[random.below(lines.length)]!);
      break;
    case 2:
      lines.splice(at, 0, ...foreign.slice(random.below(foreign.length)).slice(0, 1 + random.below(8)));
      break;
    case 3:
      lines[at] = `${lines[at]}${random.pick(['\\', ' \\', '\r', ' ', '\u00a0'])}`;
      break;
    case 4:
      return lines.join(random.pick(['\r\n', '\r', '\n\n', ' ']));
    default:
      lines.length = at;
  }
  return lines.join('\n');
}

function byWord(text: string, other: string, random: Random): string {
  const words = text.split(GAPS);
  const at = random.below(words.length);
  const foreign = other.split(GAPS);
  switch (random.below(5)) {
    case 0:
      words.splice(at, 2);
      break;
    case 1:
      words[at] = random.pick(SCRAPS);
      break;
    case 2:
      words.splice(at, 0, ' ', random.pick(SCRAPS), ' ');
      break;
    case 3:
      words.splice(at, 0, ' ', random.pick(foreign), ' ');
      break;
    default:
      words[at] = words[at]!.replace(/\d+/, (number) =>
        String(random.pick([0, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number(number) + 1])),
      );
  }
  return words.join('');
}

function byCharacter(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  const cut = random.below(random.pick([1, 2, 6, 40]));
  const put =
    random.below(3) === 0 ? String.fromCharCode(random.below(random.pick([128, 0x3000, 0x10000]))) : random.pick(SCRAPS);
  switch (random.below(4)) {
    case 0:
      return text.slice(0, at) + text.slice(at + cut);
    case 1:
      return text.slice(0, at) + put + text.slice(at);
    case 2:
      return text.slice(0, at) + put.repeat(1 + random.below(60)) + text.slice(at + cut);
    default:
      return text.slice(0, at) + text.slice(at, at + cut).toUpperCase() + text.slice(at + cut);
  }
}
