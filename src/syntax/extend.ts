/** Extensions while a command is read: loading by -m, -j and -p, their options, and what happens when one is not known. */
import type { GivenOption } from '../extensions/extension.ts';
import { formerly, goneFrom } from '../extensions/upstream.ts';
import type { RuleError } from '../model/errors.ts';
import type { TableName } from '../model/ruleset.ts';
import { type Command, type Context, fail } from './context.ts';
import { BUILTIN_OPTIONS, type Getopt, type Item } from './getopt.ts';
import { knownMatch, knownNames, knownTarget } from './known.ts';
import { didYouMean, nearest } from './nearest.ts';
import { ASSUME_HINT, assumedAs, type Draft, isVerdict, type Loaded } from './rule.ts';
import type { Word } from './source.ts';

/** A command being read. */
export interface Reading {
  context: Context;
  getopt: Getopt<Loaded>;
  draft: Draft;
  /** An implicit protocol match was loaded already. */
  protocolTried: boolean;
  table: TableName;
  command?: Command;
  /** Built-in rule options by letter, where they stand. */
  seen: Map<string, Word>;
}

const NAME_MAX = 28;

/** `icmpv6` and `ipv6-icmp` are other names of the icmp6 match, in either family. */
function matchName(name: string): string {
  return name === 'icmpv6' || name === 'ipv6-icmp' ? 'icmp6' : name;
}

/** -m NAME. */
export function loadMatch(reading: Reading, word: Word): void {
  const { context } = reading;
  const name = matchName(word.text);
  const extension = context.registry.findMatch(name, context.family);
  if (extension !== undefined) {
    add(reading, { name: extension.name, extension, word, given: [], words: [] });
    return;
  }
  if (!mayBeAssumed(reading, name)) throw unknownExtension(reading, 'match', name, word);
  assume(reading, 'match', name, word);
}

function add(reading: Reading, loaded: Loaded): void {
  reading.draft.matches.push(loaded);
  if (loaded.extension !== undefined) reading.getopt.load(loaded, loaded.extension.options);
}

/** -j NAME or -g NAME: a chain, a verdict or an extension. */
export function loadTarget(reading: Reading, word: Word, goto: boolean): void {
  const { context, draft } = reading;
  const name = word.text;
  if (name === '') throw fail(context, word, 'the target name is empty');
  if (name.length * 3 > NAME_MAX && new TextEncoder().encode(name).length > NAME_MAX)
    throw fail(context, word, `target name "${name}" is longer than ${NAME_MAX} characters`);
  if (/[ \t\n\v\f\r]/.test(name)) {
    const hint = name.endsWith('\r')
      ? 'the line ends with a carriage return (CRLF); convert the file, or use --repair'
      : undefined;
    throw fail(context, word, `target name with a blank in it`, { hint });
  }
  if (name === 'QUEUE' && context.backend === 'nft') {
    throw fail(context, word, 'iptables-nft has no QUEUE', { hint: 'write -j NFQUEUE' });
  }
  draft.jump = { word, goto };
  if (isVerdict(name) || goto) return;
  if (context.isChain(reading.table, name)) return;
  const extension = context.registry.findTarget(name, context.family);
  if (extension !== undefined) {
    const loaded: Loaded = { name: extension.name, extension, word, given: [], words: [] };
    draft.target = loaded;
    reading.getopt.load(loaded, extension.options);
    return;
  }
  // On a command line -t may still follow; then the chain is looked for at the end.
  if (!context.dump && !knownTarget(name, context.family) && laterTable(reading, name)) return;
  if (!mayBeAssumed(reading, name)) throw unknownExtension(reading, 'target', name, word);
  assume(reading, 'target', name, word);
}

function laterTable(reading: Reading, name: string): boolean {
  const { words } = reading.getopt;
  return words.some((word, i) => {
    const table = word.text === '-t' || word.text === '--table' ? words[i + 1]?.text : undefined;
    return table !== undefined && reading.context.isChain(table as TableName, name);
  });
}

function unknownExtension(reading: Reading, kind: 'match' | 'target', name: string, word: Word): RuleError {
  const { context } = reading;
  const known = (kind === 'match' ? knownMatch : knownTarget)(name, context.family);
  const gone = known ? goneFrom(context.kernel, name) : undefined;
  if (gone !== undefined) return fail(context, word, gone.message, { kind: 'unsupported', hint: `${gone.hint}; ${ASSUME_HINT}` });
  if (known) {
    return fail(context, word, `the ${kind} "${name}" is not supported yet`, { kind: 'unsupported', hint: ASSUME_HINT });
  }
  const other = context.family === 4 ? 6 : 4;
  const elsewhere = context.registry[kind === 'match' ? 'findMatch' : 'findTarget'](name, other) !== undefined;
  if (elsewhere || (kind === 'match' ? knownMatch : knownTarget)(name, other)) {
    return fail(context, word, `the ${kind} "${name}" is for IPv${other}`, { hint: `-${other} reads the rules as IPv${other}` });
  }
  if (kind === 'match')
    return fail(context, word, `the match "${name}" is not known`, {
      kind: 'unsupported',
      hint:
        formerly(name) ??
        (name.startsWith('-') ? 'a match name must follow -m' : didYouMean(name, knownNames('match', context.family))),
    });
  const kindOfError = context.dump ? 'illegal' : 'state';
  return fail(context, word, `no chain or target named "${name}"`, { hint: targetHint(reading, name), kind: kindOfError });
}

function targetHint(reading: Reading, name: string): string {
  if (/^-(j|-ju)/.test(name)) return 'a blank must stand between -j and the target';
  const old = formerly(name);
  if (old !== undefined) return old;
  if (isVerdict(name.toUpperCase())) return `write ${name.toUpperCase()}`;
  const { context } = reading;
  const near = didYouMean(name, [...context.chainNames(reading.table), ...knownNames('target', context.family)]);
  if (near !== undefined) return near;
  const dump = `a chain must be declared above the rule: ":${name} - [0:0]"`;
  return context.dump ? dump : `a chain must be made before the rule: -N ${name}`;
}

/** An option in the place of a name is not the name of an extension that is yet to come. */
function mayBeAssumed({ context }: Reading, name: string): boolean {
  return context.unsupported !== 'refuse' && !name.startsWith('-');
}

/** Keeps an unknown extension with the words that can only be its own. */
function assume(reading: Reading, kind: 'match' | 'target', name: string, word: Word): void {
  const { context, draft } = reading;
  const loaded: Loaded = { name, extension: undefined, word, given: [], words: [] };
  if (kind === 'match') draft.matches.push(loaded);
  else draft.target = loaded;
  swallow(reading, loaded);
  draft.notes.push({
    position: word.position,
    message: `the ${kind} "${name}" is not supported: taken for a ${assumedAs(context)}`,
  });
}

function swallow(reading: Reading, loaded: Loaded): void {
  const { getopt } = reading;
  for (let word = getopt.peek(); word !== undefined; word = getopt.peek()) {
    const decisive = word.text === '!' ? getopt.words[getopt.index + 1] : word;
    if (decisive === undefined || getopt.resolves(decisive) || protocolKnows(reading, decisive)) return;
    loaded.words.push(word);
    getopt.index++;
  }
}

/** Whether the match of the rule's protocol, were it loaded, has this option. */
function protocolKnows(reading: Reading, word: Word): boolean {
  const extension = implicitMatch(reading);
  if (extension === undefined || !word.text.startsWith('--')) return false;
  const name = word.text.slice(2).split('=')[0] ?? '';
  return extension.options.some((option) => option.names.includes(name));
}

function implicitMatch(reading: Reading) {
  const { context, draft } = reading;
  return draft.protocolName === undefined ? undefined : context.registry.findMatch(matchName(draft.protocolName), context.family);
}

/** An option nobody knows: the protocol's match is loaded if it was not, and the option tried again; else an error. */
export function unknownOption(reading: Reading, word: Word, ambiguous: readonly string[]): void {
  const { context, draft, getopt } = reading;
  const extension = implicitMatch(reading);
  const tried = reading.protocolTried;
  if (extension !== undefined && !tried) {
    reading.protocolTried = true;
    add(reading, { name: extension.name, extension, word, given: [], words: [] });
    getopt.again();
    return;
  }
  const protocol = matchName(draft.protocolName ?? '');
  if (extension === undefined && !tried && knownMatch(protocol, context.family)) {
    if (context.unsupported === 'refuse') throw unknownExtension(reading, 'match', protocol, word);
    reading.protocolTried = true;
    getopt.again();
    const loaded = getopt.peek();
    if (loaded !== undefined) assumeProtocol(reading, protocol, word);
    return;
  }
  const name = word.text.split('=')[0] ?? '';
  if (ambiguous.length > 1) throw fail(context, word, `${name} can mean ${ambiguous.map((other) => `--${other}`).join(', ')}`);
  throw fail(context, word, `unknown option ${name}`, { hint: optionHint(reading, name) });
}

function assumeProtocol(reading: Reading, protocol: string, word: Word): void {
  const before = reading.getopt.index;
  assume(reading, 'match', protocol, word);
  // Nothing was taken: the option is no one's.
  if (reading.getopt.index === before) reading.getopt.index++;
}

const OWNERS: readonly (readonly [readonly string[], string])[] = [
  [['dport', 'sport', 'destination-port', 'source-port'], 'write -p tcp or -p udp before it'],
  [['syn', 'tcp-flags', 'tcp-option'], 'write -p tcp before it'],
  [['icmp-type'], 'write -p icmp before it'],
  [['icmpv6-type'], 'write -p icmpv6 before it'],
  [['state'], 'write -m state before it'],
  [['ctstate'], 'write -m conntrack before it'],
  [['dports', 'sports', 'ports'], 'write -m multiport before it'],
  [['limit', 'limit-burst'], 'write -m limit before it'],
  [['comment'], 'write -m comment before it'],
  [['reject-with'], 'write -j REJECT before it'],
  [['log-prefix', 'log-level'], 'write -j LOG before it'],
];

function optionHint(reading: Reading, name: string): string | undefined {
  if (!name.startsWith('--')) return letterHint(name);
  const bare = name.replace(/^-+/, '');
  for (const [names, hint] of OWNERS) if (names.includes(bare)) return hint;
  const known = nearest(bare, reading.getopt.longNames());
  if (known !== undefined) return `did you mean --${known}?`;
  for (const [names, hint] of OWNERS) {
    const other = nearest(bare, names);
    if (other !== undefined) return `did you mean --${other}? Then ${hint}`;
  }
  return reading.context.dump ? undefined : 'an option of a match stands behind its -m NAME';
}

/** `-J` for `-j`. */
function letterHint(name: string): string | undefined {
  const other = name.toLowerCase() === name ? name.toUpperCase() : name.toLowerCase();
  return BUILTIN_OPTIONS.some(({ letter }) => letter === other.slice(1)) ? `did you mean ${other}?` : undefined;
}

/** A word where an option must stand. */
export function badWord(reading: Reading, word: Word): RuleError {
  const { text } = word;
  const hint = (() => {
    if (text.startsWith('#')) return 'a comment must have a line of its own, from its first column';
    if (text === 'COMMIT') return 'COMMIT must stand alone, without blanks, and end with a newline';
    if (text.startsWith('*')) return 'COMMIT is missing before the next table';
    if (text.includes('\r')) return 'the line ends with a carriage return (CRLF); convert the file, or use --repair';
    return undefined;
  })();
  return fail(reading.context, word, `unexpected "${text.trim()}"`, { kind: 'syntax', hint });
}

/** An option as it was written, dashes and all, without an attached value. */
export function writtenName(word: Word): string {
  return word.text.split('=')[0] ?? '';
}

/** An option of an extension: noted for its parse. */
export function useExtension(
  reading: Reading,
  item: Extract<Item<Loaded>, { kind: 'extension' }>,
  invert: Word | undefined,
): void {
  const { context, getopt } = reading;
  const { spec, owner } = item.option;
  const name = spec.names[0] ?? '';
  const written = writtenName(item.word);
  if (invert !== undefined && !spec.invertible) throw fail(context, invert, `${owner.name}: ${written} cannot be inverted`);
  const values = item.value === undefined ? [] : [item.value.text];
  if (spec.argument === 'optional' && item.value === undefined) {
    const more = getopt.argument();
    if (more !== undefined) values.push(more.text);
  }
  if (spec.argument === 'two') {
    const second = getopt.argument();
    if (second === undefined) throw fail(context, item.word, `${owner.name}: ${written} wants two values`, { kind: 'syntax' });
    values.push(second.text);
  }
  const given: GivenOption = { name, written, values, invert: invert !== undefined, position: item.word.position };
  owner.given.push(given);
}
