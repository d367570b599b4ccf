/** Shell scripts of iptables commands -> the rule sets that would be loaded when they end, beginning with empty tables and ACCEPT policies. */
import { type Position, RuleError } from '../model/errors.ts';
import { BUILTIN_CHAINS, type Family, type RuleSet, type TableName } from '../model/ruleset.ts';
import { HARMLESS, REFUSED } from './commands.ts';
import { commentedNotes } from './commented.ts';
import type { Context, Registry } from './context.ts';
import { checkTable } from './legality.ts';
import { nearest } from './nearest.ts';
import { newContext, type ParseOptions } from './options.ts';
import { readCommand } from './rules-reader.ts';
import { FOLLOW_HINT, type ShellCommand, ShellReader, type ShellWord } from './shell.ts';
import { errorAt, type Note, readSource, type Source, type Word } from './source.ts';
import { applyCommand, TableState } from './state.ts';
import { holdsRule, unwrap } from './wrappers.ts';

/** A place where the script saves its rules. */
export interface Save {
  position: Position;
  family: Family;
  /** How the script says it. */
  text: string;
  /** Whether a later save overwrites it. */
  overwritten: boolean;
}

export interface ScriptResult {
  4?: RuleSet;
  6?: RuleSet;
  saves: Save[];
}

/** Whether these succeed is not for us to know. */
const UNCERTAIN = new Set(
  '[ test grep egrep id ls ip ifconfig systemctl read command which type apt apt-get aptitude dpkg yum dnf rpm apk pacman'.split(
    ' ',
  ),
);
/** These print or look at words, and do not do what they say. */
const MENTIONS = new Set('echo printf logger cat grep egrep sed awk test [ : which type man command cd'.split(' '));
/** What stands in the notes before the name of a command that is passed over. */
export const IGNORED = 'ignored: ';
const NAMESPACE = 'the rules are those of network namespace';
const INIT_SCRIPT = /^\/etc\/(?:rc\.d\/)?init\.d\/(.*)$/;
const TOOL = /^(ip6?tables)(-legacy|-nft)?$/;
const SAVE_TOOL = /^(ip6?tables)(-legacy|-nft)?-save$/;

/** Reads a script. Never throws for what the text holds. */
export function readScript(
  text: string,
  registry: Registry,
  options: ParseOptions,
): { result?: ScriptResult; errors: RuleError[] } {
  const dos = text.includes('\r\n');
  const source = readSource(text.replaceAll('\r\n', '\n'), options.file);
  const { result, errors } = new ScriptReader(source, registry, options).read();
  if (!dos) return { ...(result === undefined ? {} : { result }), errors };
  const position = { file: options.file, line: 1, column: (source.lines[0]?.text.length ?? 0) + 1 };
  if (!options.repair) {
    const hint = 'convert the file to plain newlines (--repair does it)';
    return {
      errors: [errorAt(source, position, 'the lines end with carriage returns (CRLF)', { hint, kind: 'repairable' }), ...errors],
    };
  }
  const message = 'repaired: CRLF line ends (convert the file to plain newlines)';
  for (const ruleset of [result?.[4], result?.[6]]) ruleset?.notes.unshift({ position, message });
  return { ...(result === undefined ? {} : { result }), errors };
}

class Half {
  readonly family: Family;
  readonly tables = new Map<TableName, TableState>();
  readonly notes: Note[] = [];
  readonly context: Context;

  constructor(family: Family, source: Source, registry: Registry, options: ParseOptions) {
    this.family = family;
    const chainNames = (table: TableName) => this.tables.get(table)?.chains.keys() ?? BUILTIN_CHAINS[table] ?? [];
    const isChain = (table: TableName, name: string) =>
      this.tables.get(table)?.chains.has(name) ?? BUILTIN_CHAINS[table]?.includes(name) ?? false;
    this.context = newContext(source, family, registry, options, false, { isChain, chainNames });
  }

  table(name: TableName, position: Position): TableState {
    const found = this.tables.get(name) ?? new TableState(name, position);
    this.tables.set(name, found);
    return found;
  }
}

class ScriptReader {
  private readonly source: Source;
  private readonly options: ParseOptions;
  private readonly halves: Record<Family, Half>;
  private readonly shell: ShellReader;
  private readonly errors: RuleError[] = [];
  private readonly saves: Save[] = [];
  private readonly changedSince: Record<Family, Position | undefined> = { 4: undefined, 6: undefined };
  /** What concerns both families. */
  private readonly common: Note[] = [];
  private ended = false;
  /** Of the command at hand: the network namespace it runs in, and as whom, where that is said. */
  private namespace = '';
  private user: ShellWord | undefined;
  /** The network namespace that the rules are of, once there are some. */
  private rulesOf: string | undefined;
  /** `set -e`: the first failure ends the script. */
  private strict = false;
  /** Whether the last command succeeded; undefined: only running it could tell. */
  private status: boolean | undefined = true;

  constructor(source: Source, registry: Registry, options: ParseOptions) {
    this.source = source;
    this.options = options;
    this.halves = { 4: new Half(4, source, registry, options), 6: new Half(6, source, registry, options) };
    this.shell = new ShellReader(source);
  }

  read(): { result?: ScriptResult; errors: RuleError[] } {
    // A repair tells such beside what it put right.
    if (this.options.repair !== true) this.common.push(...commentedNotes(this.source));
    this.shell.read(
      (command) => {
        if (!this.ended && this.errors.length < 100) this.run(command);
      },
      (error) => {
        if (!(error instanceof RuleError)) throw error;
        if (!this.ended) this.errors.push(error);
      },
    );
    const result: ScriptResult = { saves: this.saves };
    for (const family of [4, 6] as const) {
      const ruleset = this.finish(this.halves[family]);
      if (ruleset !== undefined) result[family] = ruleset;
    }
    return this.errors.length > 0 ? { errors: this.errors } : { result, errors: [] };
  }

  private finish(half: Half): RuleSet | undefined {
    if (half.tables.size === 0) return undefined;
    const tables = (['raw', 'mangle', 'nat', 'filter', 'security'] as const).flatMap(
      (name) => half.tables.get(name)?.finish() ?? [],
    );
    if (this.errors.length === 0) {
      for (const table of tables) this.guarded(() => checkTable(table, half.context));
    }
    const last = this.saves.findLast((save) => save.family === half.family);
    const unsaved = this.changedSince[half.family];
    if (last !== undefined && unsaved !== undefined) {
      half.notes.push({
        position: unsaved,
        message: `what follows the last save (line ${last.position.line}) is not in the saved file`,
      });
    }
    const notes = [...this.common, ...half.notes].sort(
      (a, b) => a.position.line - b.position.line || a.position.column - b.position.column,
    );
    return { family: half.family, file: this.source.file, tables, notes };
  }

  private guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      this.errors.push(error);
    }
  }

  private run(command: ShellCommand): void {
    const { words, namespace, user } = unwrap(this.assignments(command.words));
    const [first] = words;
    if (first === undefined) return;
    const rest = words.slice(1);
    const name = INIT_SCRIPT.test(first.text) ? 'service' : first.text.replace(/^.*\//, '');
    this.namespace = namespace;
    this.user = user;
    const matters = first.unknown !== undefined || TOOL.test(name) || SAVE_TOOL.test(name) || REFUSED.has(name);
    const wanted = command.joined === '&&' ? true : command.joined === '||' ? false : undefined;
    if (wanted !== undefined && this.status === !wanted) return;
    if (wanted !== undefined && this.status === undefined && matters) {
      const message = `whether this runs depends on the command before "${command.joined}"`;
      this.errors.push(errorAt(this.source, first.position, message, { hint: FOLLOW_HINT, kind: 'script' }));
      return;
    }
    if (first.unknown !== undefined) this.errors.push(first.unknown);
    else this.dispatch(name, first, rest, command);
  }

  private dispatch(name: string, first: ShellWord, rest: readonly ShellWord[], command: ShellCommand): void {
    this.status = name === 'false' ? false : UNCERTAIN.has(name) ? undefined : true;
    const tool = TOOL.exec(name);
    const save = SAVE_TOOL.exec(name);
    if (tool !== null) this.tool(tool[1] === 'ip6tables' ? 6 : 4, rest, command);
    else if (save !== null) this.save(save[1] === 'ip6tables' ? 6 : 4, first, command);
    else if (name === 'service' || name === 'rc-service' || first.text.startsWith('/etc/init.d/'))
      this.service(first, rest, command);
    else if (name === 'netfilter-persistent') this.persistent(first, rest, command);
    else this.other(name, first, rest, command);
  }

  /** Takes `NAME=value` words off the front; with nothing behind them they set variables. */
  private assignments(words: readonly ShellWord[]): ShellWord[] {
    const declared = /^(export|readonly|declare|local)$/.test(words[0]?.text ?? '');
    const found: [string, string | RuleError][] = [];
    let i = declared ? 1 : 0;
    for (; i < words.length; i++) {
      const word = words[i];
      const assignment = /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(word?.text ?? '');
      if (assignment === null && !declared) break;
      if (assignment !== null) found.push([assignment[1] ?? '', word?.unknown ?? assignment[2] ?? '']);
    }
    if (i < words.length) return words.slice(i);
    for (const [name, value] of found) this.shell.variables.set(name, value);
    return [];
  }

  private tool(family: Family, words: readonly ShellWord[], command: ShellCommand): void {
    const half = this.halves[family];
    const unknown = words.find((word) => word.unknown !== undefined)?.unknown;
    if (unknown !== undefined) {
      this.errors.push(unknown);
      return;
    }
    if (!this.isOurs(command)) return;
    half.context.table = 'filter';
    if (words.length === 0) {
      this.errors.push(
        errorAt(this.source, command.words[0]?.position ?? this.start(), 'no command', { hint: 'iptables -A CHAIN ...' }),
      );
      return;
    }
    const { command: parsed, notes, errors } = readCommand(words, command.text, half.context, this.options.repair ?? false);
    if (parsed === undefined) {
      for (const error of errors) this.failed(half, error, command, false);
      return;
    }
    const table = half.table(parsed.table, parsed.word.position);
    half.notes.push(...notes);
    try {
      applyCommand(table, parsed, half.context);
      if (!'LSC'.includes(parsed.letter)) this.changedSince[family] ??= parsed.word.position;
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      // Taking away what is not there, or making what is: the script goes on as before.
      this.failed(half, error, command, 'DXFZENC'.includes(parsed.letter) && !this.strict);
    }
  }

  /** Whether a command changes the firewall that the others before it changed, and may. */
  private isOurs({ words }: ShellCommand): boolean {
    const position = words[0]?.position ?? this.start();
    const { namespace, user } = this;
    const complain = (message: string, hint: string) =>
      this.errors.push(errorAt(this.source, position, message, { hint, kind: 'script' }));
    if (user !== undefined && !/^(root|#?0)$/.test(user.text)) {
      complain(`this runs as "${user.text}", who may not change rules`, 'rules are changed by root');
      return false;
    }
    this.rulesOf ??= namespace;
    if (this.rulesOf !== namespace) {
      const named = (name: string) => (name === '' ? 'the host' : `network namespace "${name}"`);
      complain(
        `this changes the firewall of ${named(namespace)}, what is before it that of ${named(this.rulesOf)}`,
        'give the rules of one at a time',
      );
      return false;
    }
    if (namespace !== '' && !this.common.some(({ message }) => message.startsWith(NAMESPACE)))
      this.common.push({ position, message: `${NAMESPACE} "${namespace}"` });
    return true;
  }

  /** A command that fails only because of what is or is not there yet does nothing, where the script is prepared for it. */
  private failed(half: Half, error: RuleError, command: ShellCommand, harmless: boolean): void {
    this.status = false;
    if (error.kind !== 'state' || !(command.tolerant || harmless)) this.errors.push(error);
    else half.notes.push({ position: error.position, message: `this command fails and does nothing: ${error.message}` });
  }

  private start(): Position {
    return { file: this.source.file, line: 1, column: 1 };
  }

  private save(family: Family, at: Word, command: ShellCommand): void {
    if (command.output === undefined || command.output.text === '/dev/null') return;
    const position = at.position;
    const earlier = this.saves.findLast((save) => save.family === family && !save.overwritten);
    if (earlier !== undefined) {
      earlier.overwritten = true;
      const message = `this save is thrown away: line ${position.line} saves again`;
      this.halves[family].notes.push({ position: earlier.position, message });
    }
    this.saves.push({ position, family, text: command.text, overwritten: false });
    this.changedSince[family] = undefined;
  }

  private service(first: Word, rest: readonly Word[], command: ShellCommand): void {
    const words = rest.filter((word) => !word.text.startsWith('-')).map((word) => word.text);
    const [one = '', two = ''] = words;
    const init = INIT_SCRIPT.exec(first.text)?.[1];
    const [name, verb] =
      init !== undefined ? [init, one] : first.text.endsWith('systemctl') ? [two.replace(/\.service$/, ''), one] : [one, two];
    if (name !== 'iptables' && name !== 'ip6tables') return;
    const family: Family = name === 'ip6tables' ? 6 : 4;
    if (verb === 'save') this.save(family, first, { ...command, output: first });
    else if (/^(re)?(start|load)$/.test(verb) && this.isSaved(family)) return;
    else if (!/^(status|enable|disable)$/.test(verb)) {
      const message = `"${name} ${verb}" loads other rules than the ones of this script`;
      this.errors.push(errorAt(this.source, first.position, message, { hint: FOLLOW_HINT, kind: 'script' }));
    }
  }

  /** Whether the last save holds all there is: loading it again changes nothing. */
  private isSaved(family: Family): boolean {
    return this.changedSince[family] === undefined && this.saves.some((save) => save.family === family);
  }

  private persistent(first: Word, rest: readonly Word[], command: ShellCommand): void {
    if (rest[0]?.text === 'save') {
      for (const family of [4, 6] as const) this.save(family, first, { ...command, output: first });
    } else this.refuse(first, 'netfilter-persistent');
  }

  private refuse(at: Word, name: string): void {
    const hint = name.endsWith('-restore') ? 'give the file it reads to wasmtables instead' : FOLLOW_HINT;
    this.errors.push(errorAt(this.source, at.position, `"${name}" cannot be followed`, { hint, kind: 'script' }));
  }

  private other(name: string, first: Word, rest: readonly Word[], command: ShellCommand): void {
    if (name === 'set' && rest.some((word) => /^-[a-z]*e/.test(word.text))) this.strict = true;
    if (REFUSED.has(name)) this.refuse(first, name);
    else if (HARMLESS.has(name) && !MENTIONS.has(name) && holdsRule(textOf(rest))) this.hidden(name, first);
    else if ((name === 'exit' || name === 'return') && (command.joined === 'start' || command.joined === ';')) this.ended = true;
    else if (!HARMLESS.has(name)) this.unknown(name, first, rest);
  }

  /** A command that is not iptables, with a command of iptables in it. */
  private hidden(name: string, first: Word): void {
    const message = `"${name}" with a command of iptables behind it cannot be followed`;
    this.errors.push(errorAt(this.source, first.position, message, { hint: 'write it out: iptables ...', kind: 'script' }));
  }

  private unknown(name: string, first: Word, rest: readonly Word[]): void {
    if (/^[A-Za-z_]\w*\+?=/.test(first.text)) return;
    const tool = nearest(name, ['iptables', 'ip6tables']);
    if (tool !== undefined && rest[0]?.text.startsWith('-')) {
      const hint = `did you mean ${tool}?`;
      this.errors.push(errorAt(this.source, first.position, `no command named "${name}"`, { hint, kind: 'script' }));
      return;
    }
    const lost = lostRule(first.text);
    if (lost !== undefined) {
      this.errors.push(
        errorAt(this.source, first.position, lost.message, { hint: `${lost.hint} (--repair does it)`, kind: 'repairable' }),
      );
      return;
    }
    if (holdsRule(textOf(rest))) {
      this.hidden(name, first);
      return;
    }
    const message = `${IGNORED}"${name}" is not a command that is known to load rules`;
    this.common.push({ position: first.position, message });
  }
}

const textOf = (words: readonly Word[]): string => words.map(({ text }) => text).join(' ');

/** A word in the place of a command that can only be a part of a rule. */
function lostRule(word: string): { message: string; hint: string } | undefined {
  if (/^[-\u2010-\u2015\u2212]{1,2}[A-Za-z]/.test(word))
    return { message: `"${word}" where a command must stand`, hint: 'write "iptables" in front, or the rule on one line' };
  if (/^[\u00a0\u2000-\u200b\u202f\u3000\ufeff]*ip6?tables[\u00a0\u2000-\u200b\u202f\u3000]/.test(word))
    return { message: 'a non-breaking or invisible blank', hint: 'write a plain blank' };
  return undefined;
}
