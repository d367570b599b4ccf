/** One command of iptables, from its words: what iptables 1.8.9 would do with these arguments, or the error it would give. */
import { parseProtocol, protocolName, protocolNames } from '../model/names.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { TableName } from '../model/ruleset.ts';
import { BUILTIN_CHAINS } from '../model/ruleset.ts';
import { type Network, parseNetworks } from './addresses.ts';
import { type Command, type CommandLetter, type Context, fail } from './context.ts';
import { badWord, loadMatch, loadTarget, type Reading, unknownOption, useExtension, writtenName } from './extend.ts';
import { Getopt, type Item } from './getopt.ts';
import { didYouMean } from './nearest.ts';
import { finishRules, isVerdict, type Loaded, newDraft } from './rule.ts';
import type { Word } from './source.ts';

type BuiltinItem = Extract<Item<Loaded>, { kind: 'builtin' }>;

const COMMANDS = new Set<string>(['A', 'D', 'C', 'I', 'R', 'L', 'S', 'F', 'Z', 'N', 'X', 'E', 'P']);
const RULE_COMMANDS = new Set<string>(['A', 'D', 'C', 'I', 'R']);
const RULE_OPTIONS = 'sdpiojgfcm';

/**
 * Reads a command. undefined: nothing to do here (a line for the other family by -4 or -6, -V, -h).
 * `text` is kept with its rules. Throws RuleError for whatever iptables refuses by looking at the words and the chains that exist.
 */
export function parseCommand(words: readonly Word[], text: string, context: Context): Command | undefined {
  const reading: Reading = {
    context,
    getopt: new Getopt<Loaded>(words),
    draft: newDraft(),
    protocolTried: false,
    table: context.table,
    seen: new Map(),
  };
  let invert: Word | undefined;
  for (let item = reading.getopt.next(); item !== undefined; item = reading.getopt.next()) {
    if (item.kind === 'word') {
      if (item.word.text !== '!') throw badWord(reading, item.word);
      if (invert !== undefined) throw fail(context, item.word, 'two "!" in a row');
      invert = item.word;
      continue;
    }
    if (item.kind === 'missing') throw fail(context, item.word, `${writtenName(item.word)} wants a value`, { kind: 'syntax' });
    if (item.kind === 'unknown') {
      unknownOption(reading, item.word, item.ambiguous);
      continue;
    }
    if (item.kind === 'extension') useExtension(reading, item, invert);
    else if (readBuiltin(reading, item, invert) === 'done') return undefined;
    invert = undefined;
  }
  if (invert !== undefined) throw fail(context, invert, 'nothing follows this "!"', { kind: 'syntax' });
  const [left] = reading.getopt.rest;
  if (left !== undefined) throw fail(context, left, `"${left.text}" stands behind --`);
  return finishCommand(reading, words, text);
}

function readBuiltin(reading: Reading, item: BuiltinItem, invert: Word | undefined): 'done' | undefined {
  const { context } = reading;
  const { letter } = item.option;
  if (invert !== undefined && !'sdpiofc'.includes(letter)) throw fail(context, invert, `! cannot stand before ${item.word.text}`);
  if (invert !== undefined && letter === 'c') throw fail(context, invert, '! cannot stand before -c');
  if (letter === '4' || letter === '6') return otherFamily(reading, item);
  if (letter === 'V' || letter === 'h') return 'done';
  if (COMMANDS.has(letter)) readCommandLetter(reading, item, letter as CommandLetter);
  else if (letter === 't') readTable(reading, item);
  else if ((letter === 'w' || letter === 'W') && context.dump) {
    throw fail(context, item.word, `${item.word.text} cannot be used in a dump`);
  } else if (letter === 'w' || letter === 'W') {
    if (item.value === undefined) reading.getopt.argument();
  } else if (letter === 'M') {
    // Where modprobe is: nothing to us.
  } else if (letter === 'm') {
    loadMatch(reading, wordOf(item));
  } else {
    once(reading, item, letter === 'g' ? 'j' : letter);
    readRuleOption(reading, item, invert !== undefined);
  }
  return undefined;
}

function wordOf(item: BuiltinItem): Word {
  return item.value ?? item.word;
}

function once(reading: Reading, item: BuiltinItem, letter: string): void {
  if (reading.seen.has(letter)) throw fail(reading.context, item.word, `second -${letter} in one rule`);
  reading.seen.set(letter, item.word);
}

/** In a dump a line with the other family's -4 or -6 is skipped; a command line is refused. */
function otherFamily(reading: Reading, item: BuiltinItem): 'done' | undefined {
  const { context } = reading;
  if (Number(item.option.letter) === context.family) return undefined;
  if (context.dump) return 'done';
  throw fail(context, item.word, `${item.word.text} with the IPv${context.family} command`);
}

function readTable(reading: Reading, item: BuiltinItem): void {
  const { context } = reading;
  if (context.dump)
    throw fail(context, item.word, '-t cannot be used inside a table of a dump', { hint: 'the line "*TABLE" above decides' });
  const value = wordOf(item);
  if (!(value.text in BUILTIN_CHAINS))
    throw fail(context, value, `no table named "${value.text}"`, {
      hint: didYouMean(value.text, Object.keys(BUILTIN_CHAINS), 'raw, mangle, nat, filter or security'),
    });
  reading.table = value.text as TableName;
}

function readCommandLetter(reading: Reading, item: BuiltinItem, letter: CommandLetter): void {
  const { context, getopt } = reading;
  if (reading.command !== undefined) throw fail(context, item.word, `-${letter} cannot stand with -${reading.command.letter}`);
  const command: Command = { letter, word: item.word, table: context.table, rules: [], notes: reading.draft.notes };
  const chain = item.value ?? ('LSFZX'.includes(letter) ? getopt.argument() : undefined);
  if (chain !== undefined) command.chain = chain;
  if (letter === 'P') command.policy = needed(reading, item.word, getopt.argument(), 'a chain and a policy');
  if (letter === 'E') command.newName = needed(reading, item.word, getopt.argument(), 'the old and the new name');
  if ('IDRZLS'.includes(letter) && chain !== undefined) {
    const number = getopt.argument();
    if (number !== undefined) command.number = ruleNumber(reading, number);
    else if (letter === 'R') throw fail(context, item.word, '-R wants a chain and a rule number', { kind: 'syntax' });
  }
  reading.command = command;
}

function needed(reading: Reading, at: Word, word: Word | undefined, what: string): Word {
  if (word === undefined) throw fail(reading.context, at, `${at.text} wants ${what}`, { kind: 'syntax' });
  return word;
}

function ruleNumber(reading: Reading, word: Word): number {
  const number = parseUnsigned(word.text, 0x7fffffff, 1);
  if (number === undefined)
    throw fail(reading.context, word, `"${word.text}" is not a rule number`, { hint: 'rules count from 1' });
  return number;
}

function readRuleOption(reading: Reading, item: BuiltinItem, invert: boolean): void {
  const { context, draft } = reading;
  const { letter } = item.option;
  const value = 'sdpioj'.includes(letter) ? wholeWord(item) : wordOf(item);
  switch (letter) {
    case 's':
      draft.sources = networks(reading, value, invert);
      draft.sourceInverted = invert;
      break;
    case 'd':
      draft.destinations = networks(reading, value, invert);
      draft.destinationInverted = invert;
      break;
    case 'p':
      readProtocol(reading, value, invert);
      break;
    case 'i':
      draft.builtin.inInterface = { pattern: interfaceName(reading, value), invert };
      break;
    case 'o':
      draft.builtin.outInterface = { pattern: interfaceName(reading, value), invert };
      break;
    case 'f':
      if (context.family === 6) throw fail(context, item.word, '-f is for IPv4', { hint: 'use -m frag' });
      draft.builtin.fragment = { invert };
      break;
    case 'c':
      readCounters(reading, item, value);
      break;
    case 'j':
      loadTarget(reading, value, false);
      break;
    case 'g':
      loadTarget(reading, value, true);
      break;
  }
}

/** The value of -s or -d. An inverted mask of zero matches nothing; iptables-nft has no way to say it. */
function networks({ context }: Reading, value: Word, invert: boolean): Network[] {
  const found = parseNetworks(value, context);
  if (invert && context.backend === 'nft' && found.some(({ mask }) => mask.every((word) => word === 0))) {
    throw fail(context, value, 'iptables-nft refuses an inverted mask of zero', {
      hint: 'leave the rule out: it can never match',
    });
  }
  return found;
}

/** For -s -d -p -i -o -j iptables takes the whole last word, so that an attached value (-ptcp, -jDROP, --source=a.b.c.d) is no protocol, target or address. */
function wholeWord(item: BuiltinItem): Word {
  return item.attached ? { ...wordOf(item), text: attachedText(item) } : wordOf(item);
}

function attachedText(item: BuiltinItem): string {
  return item.word.text.startsWith('--') ? item.word.text : `${item.word.text}${item.value?.text ?? ''}`;
}

function readProtocol(reading: Reading, value: Word, invert: boolean): void {
  const { context, draft } = reading;
  const number = parseProtocol(value.text);
  if (number === undefined) throw fail(context, value, `unknown protocol "${value.text}"`, { hint: protocolHint(value.text) });
  if (number === 0 && invert) throw fail(context, value, 'a rule with ! -p all can never match');
  if (number !== 0) draft.builtin.protocol = { number, invert };
  const byNumber = parseUnsigned(value.text, 255) !== undefined;
  draft.protocolName = byNumber ? (protocolName(number) ?? '') : value.text.toLowerCase();
}

function protocolHint(text: string): string | undefined {
  if (text === '!') return 'write the ! before the option: ! -p tcp';
  if (/^-(p|-prot)/.test(text)) return 'a blank must stand between -p and the protocol';
  if (text.toLowerCase() === 'icmp6') return 'the protocol is called icmpv6 or ipv6-icmp';
  return text.includes(',') ? 'one protocol a rule' : didYouMean(text, protocolNames());
}

function interfaceName(reading: Reading, value: Word): string {
  const { context } = reading;
  if (value.text === '') throw fail(context, value, 'the interface name is empty');
  if (value.text.length * 3 > 15 && new TextEncoder().encode(value.text).length > 15) {
    throw fail(context, value, `interface name "${value.text}" is longer than 15 characters`);
  }
  if (value.text.startsWith('-')) {
    reading.draft.notes.push({
      position: value.position,
      message: `the interface is called "${value.text}" here, dash and all: iptables reads it so`,
    });
  }
  return value.text;
}

function readCounters(reading: Reading, item: BuiltinItem, value: Word): void {
  const { context, getopt, draft } = reading;
  const comma = value.text.indexOf(',', 1);
  const bytes = comma >= 0 ? value.text.slice(comma + 1) : getopt.argument()?.text;
  if (bytes === undefined) throw fail(context, item.word, '-c wants packets and bytes', { kind: 'syntax' });
  const [packets, size] = [value.text, bytes].map((text) => /^[ \t]*\+?(\d{1,20})/.exec(text)?.[1]);
  if (packets === undefined || size === undefined) throw fail(context, value, '-c: not a number', { kind: 'syntax' });
  draft.counters = { packets: Number(packets), bytes: Number(size) };
}

function finishCommand(reading: Reading, words: readonly Word[], text: string): Command {
  const { context, command, draft, seen } = reading;
  if (command === undefined) {
    const [first] = words;
    const at = first ?? { text: '', position: { file: context.source.file, line: 1, column: 1 }, quoted: false };
    throw fail(context, at, 'no command', { kind: 'syntax', hint: 'a rule starts with -A CHAIN' });
  }
  command.table = reading.table;
  checkCombination(reading, command);
  if (!RULE_COMMANDS.has(command.letter) || (command.letter === 'D' && command.number !== undefined)) {
    if (command.letter === 'P' && command.table === 'nat' && command.policy?.text === 'DROP')
      throw natDrop(reading, command.policy);
    return command;
  }
  const chain = command.chain?.text ?? '';
  const side = wrongSide(chain);
  const wrong = side === undefined ? undefined : seen.get(side);
  if (wrong !== undefined) throw fail(context, wrong, `-${side} cannot be used in ${chain}`, { hint: wrongSideHint(chain) });
  if (draft.jump?.word.text === 'DROP' && command.table === 'nat') throw natDrop(reading, draft.jump.word);
  if (draft.jump?.goto && (isVerdict(draft.jump.word.text) || !context.isChain(command.table, draft.jump.word.text))) {
    const kind = context.dump ? 'illegal' : 'state';
    const hint = didYouMean(draft.jump.word.text, context.chainNames(command.table));
    throw fail(context, draft.jump.word, `-g wants a chain, and there is none named "${draft.jump.word.text}"`, { kind, hint });
  }
  const several = draft.sources.length > 1 || draft.destinations.length > 1;
  if (several && (draft.sourceInverted || draft.destinationInverted)) {
    const at = seen.get(draft.sourceInverted ? 's' : 'd') ?? command.word;
    throw fail(context, at, '! cannot stand with several addresses', {
      hint: 'write one rule an address, in a chain of their own',
    });
  }
  if (several && command.letter === 'R') throw fail(context, command.word, '-R with several addresses');
  command.rules = finishRules(draft, context, command.table, chain, command.word.position, text);
  return command;
}

function checkCombination(reading: Reading, command: Command): void {
  const { context, seen, draft } = reading;
  const ruleLike = RULE_COMMANDS.has(command.letter) && !(command.letter === 'D' && command.number !== undefined);
  const forbidden = ruleLike ? `nx0${'DC'.includes(command.letter) ? 'c' : ''}` : forbiddenElsewhere(command.letter);
  for (const letter of forbidden) {
    const at = seen.get(letter);
    if (at !== undefined) throw fail(context, at, `-${letter} cannot stand with -${command.letter}`);
  }
  const [match] = draft.matches;
  if (!ruleLike && match !== undefined) throw fail(context, match.word, `a match cannot stand with -${command.letter}`);
}

function forbiddenElsewhere(letter: string): string {
  if (letter === 'L') return RULE_OPTIONS;
  return letter === 'P' ? `nx0${RULE_OPTIONS.replace('c', '')}` : `nx0${RULE_OPTIONS}`;
}

function natDrop(reading: Reading, at: Word): Error {
  return fail(reading.context, at, 'the nat table is not for filtering: DROP is refused there', {
    hint: 'drop in filter, mangle or raw',
  });
}

function wrongSide(chain: string): 'i' | 'o' | undefined {
  if (chain === 'PREROUTING' || chain === 'INPUT') return 'o';
  return chain === 'POSTROUTING' || chain === 'OUTPUT' ? 'i' : undefined;
}

function wrongSideHint(chain: string): string {
  return chain === 'PREROUTING' || chain === 'INPUT'
    ? 'a packet here has no outgoing interface yet'
    : 'a packet here has no incoming interface';
}
