/** Commands that run another one: `sudo -u root iptables ...`, `ip netns exec fw iptables ...`; and words that hold a command of iptables. */
import type { ShellWord } from './shell.ts';

/** What is run in the end. */
export interface Unwrapped {
  words: readonly ShellWord[];
  /** The network namespace it runs in, as the script names it; '' is the one of the script. */
  namespace: string;
  /** The user it runs as, where that is said. */
  user?: ShellWord;
}

interface Wrapper {
  /** Short options that take the next word as their value. */
  valued: string;
  /** Words that stand between the options and the command. */
  operands: number;
}

const WRAPPERS: ReadonlyMap<string, Wrapper> = new Map([
  ['sudo', { valued: 'CDghpRrTtUu', operands: 0 }],
  ['doas', { valued: 'Cu', operands: 0 }],
  ['env', { valued: 'Cu', operands: 0 }],
  ['nice', { valued: 'n', operands: 0 }],
  ['ionice', { valued: 'cn', operands: 0 }],
  ['time', { valued: 'fo', operands: 0 }],
  ['timeout', { valued: 'ks', operands: 1 }],
  ['flock', { valued: 'Ew', operands: 1 }],
  ['stdbuf', { valued: 'eio', operands: 0 }],
  ['nsenter', { valued: 'GSrtw', operands: 0 }],
  ...['command', 'nohup', 'setsid', 'chronic', 'busybox'].map((name) => [name, { valued: '', operands: 0 }] as const),
]);

/** Names of all of them. */
export const WRAPPER_NAMES: readonly string[] = [...WRAPPERS.keys()];

const baseName = (word: ShellWord | undefined): string => word?.text.replace(/^.*\//, '') ?? '';

/** Takes wrappers off the front, however many there are. `command -v` and the like run nothing and are left as they are. */
export function unwrap(words: readonly ShellWord[]): Unwrapped {
  let found: Unwrapped = { words, namespace: '' };
  for (;;) {
    const next = inNamespace(found) ?? wrapped(found);
    if (next === undefined) return found;
    found = next;
  }
}

/** `ip [options] netns exec NAME command`; `ip vrf exec NAME command` stays in the namespace. */
function inNamespace({ words, ...found }: Unwrapped): Unwrapped | undefined {
  if (baseName(words[0]) !== 'ip') return undefined;
  const object = words.findIndex((word, i) => i > 0 && !word.text.startsWith('-'));
  const kind = words[object]?.text ?? '';
  if (!/^(netns|vrf)$/.test(kind) || words[object + 1]?.text !== 'exec') return undefined;
  const name = words[object + 2]?.text ?? '';
  return { ...found, words: words.slice(object + 3), namespace: kind === 'netns' ? name : found.namespace };
}

function wrapped({ words, ...found }: Unwrapped): Unwrapped | undefined {
  const name = baseName(words[0]);
  const wrapper = WRAPPERS.get(name);
  if (wrapper === undefined) return undefined;
  let at = 1;
  let user = found.user;
  for (; words[at]?.text.startsWith('-') && words[at]?.text !== '--'; at++) {
    const option = words[at]?.text ?? '';
    if (name === 'command' && /^-[vV]/.test(option)) return undefined;
    const valued = /^-[A-Za-z]+$/.test(option) && wrapper.valued.includes(option.at(-1) ?? '');
    if (valued) at++;
    if (/^-[A-Za-z]*u$/.test(option) && /^(sudo|doas)$/.test(name)) user = words[at];
  }
  const options = words.slice(1, at).map((word) => word.text);
  if (words[at]?.text === '--') at++;
  while (/^(sudo|env)$/.test(name) && /^[A-Za-z_]\w*=/.test(words[at]?.text ?? '')) at++;
  const namespace = (name === 'nsenter' ? entered(options) : undefined) ?? found.namespace;
  return { words: words.slice(at + wrapper.operands), namespace, ...(user === undefined ? {} : { user }) };
}

/** The network namespace that options of nsenter enter, by its name in /run/netns where it has one; undefined: none. */
function entered(options: readonly string[]): string | undefined {
  const path = options.flatMap((option) => /^(?:--net=|-n)(.+)$/.exec(option)?.[1] ?? [])[0];
  if (path !== undefined) return path.replace(/^.*\/netns\//, '');
  return options.some((option) => /^(-[A-Za-z]*[an]|--net|--all)$/.test(option)) ? options.join(' ') : undefined;
}

/** With an option that changes something: `iptables -L` is often talked about. */
const COMMAND = /(?:^|[\s;&|"'(`/])ip6?tables(?:-legacy|-nft)?\s+(?!-[LSVhnv]|--(?:list|version|help))-{1,2}[A-Za-z]/;
const OPTIONS =
  /(?:^|\s)(?:-[ADIPR]\s+(?:INPUT|OUTPUT|FORWARD|PREROUTING|POSTROUTING)\b|-t\s+(?:raw|mangle|nat|filter|security)\s+-)/;

/** Whether a text holds a command of iptables that changes rules. */
export const holdsCommand = (text: string): boolean => COMMAND.test(text);
/** Whether a text holds a command of iptables, or only the options of one. */
export const holdsRule = (text: string): boolean => COMMAND.test(text) || OPTIONS.test(text);
