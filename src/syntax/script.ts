/** Shell scripts of iptables commands -> the rule sets that would be loaded when they end, beginning with empty tables and ACCEPT policies. */
import { type Position, RuleError } from '../model/errors.ts';
import { BUILTIN_CHAINS, type Family, type RuleSet, type TableName } from '../model/ruleset.ts';
import type { Context, Registry } from './context.ts';
import { checkTable } from './legality.ts';
import { newContext, type ParseOptions } from './options.ts';
import { readCommand } from './rules-reader.ts';
import { FOLLOW_HINT, type ShellCommand, ShellReader } from './shell.ts';
import { errorAt, type Note, readSource, type Source, type Word } from './source.ts';
import { applyCommand, TableState } from './state.ts';

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

/** Commands that have no say in the rules. */
const HARMLESS = new Set(
  (
    'echo printf true false : set cd sleep modprobe insmod rmmod depmod sysctl exit logger date test [ mkdir touch chmod chown rm cp mv cat grep egrep sed awk ' +
    'ip ifconfig route tc ethtool hostname uname id clear tput read umask export readonly local unset shift wait trap systemctl chkconfig update-rc.d ' +
    'ls head tail sort wc tee column less more'
  ).split(' '),
);
const REFUSED = new Set(
  'iptables-restore ip6tables-restore iptables-legacy-restore iptables-nft-restore ip6tables-legacy-restore ip6tables-nft-restore iptables-apply nft firewall-cmd ufw ipset source . eval exec bash sh iptables-xml'.split(
    ' ',
  ),
);
const TOOL = /^(ip6?tables)(-legacy|-nft)?$/;
const SAVE_TOOL = /^(ip6?tables)(-legacy|-nft)?-save$/;

/** Reads a script. Never throws for what the text holds. */
export function readScript(
  text: string,
  registry: Registry,
  options: ParseOptions,
): { result?: ScriptResult; errors: RuleError[] } {
  return new ScriptReader(readSource(text, options.file), registry, options).read();
}

class Half {
  readonly family: Family;
  readonly tables = new Map<TableName, TableState>();
  readonly notes: Note[] = [];
  readonly context: Context;

  constructor(family: Family, source: Source, registry: Registry, options: ParseOptions) {
    this.family = family;
    const isChain = (table: TableName, name: string) =>
      this.tables.get(table)?.chains.has(name) ?? BUILTIN_CHAINS[table]?.includes(name) ?? false;
    this.context = newContext(source, family, registry, options, false, isChain);
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
  private ended = false;

  constructor(source: Source, registry: Registry, options: ParseOptions) {
    this.source = source;
    this.options = options;
    this.halves = { 4: new Half(4, source, registry, options), 6: new Half(6, source, registry, options) };
    this.shell = new ShellReader(source);
  }

  read(): { result?: ScriptResult; errors: RuleError[] } {
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
    return { family: half.family, file: this.source.file, tables, notes: half.notes };
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
    const words = this.assignments(command.words);
    const [first] = words;
    if (first === undefined) return;
    const rest = words.slice(1);
    const name = first.text.replace(/^.*\//, '');
    const tool = TOOL.exec(name);
    const save = SAVE_TOOL.exec(name);
    if (tool !== null) this.tool(tool[1] === 'ip6tables' ? 6 : 4, rest, command);
    else if (save !== null) this.save(save[1] === 'ip6tables' ? 6 : 4, first, command);
    else if (name === 'sudo' || name === 'command' || name === 'nice') this.run({ ...command, words: rest.filter(notFlag) });
    else if (name === 'service' || name === 'rc-service' || first.text.startsWith('/etc/init.d/'))
      this.service(first, rest, command);
    else if (name === 'netfilter-persistent') this.persistent(first, rest, command);
    else this.other(name, first, command);
  }

  /** Takes `NAME=value` words off the front; with nothing behind them they set variables. */
  private assignments(words: readonly Word[]): Word[] {
    let i = 0;
    let first = words[0];
    if (first !== undefined && /^(export|readonly|declare|local)$/.test(first.text)) first = words[++i];
    const from = i;
    const found: [string, string][] = [];
    for (; first !== undefined; first = words[++i]) {
      const assignment = /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(first.text);
      if (assignment === null) break;
      found.push([assignment[1] ?? '', assignment[2] ?? '']);
    }
    if (i < words.length && from === 0) return words.slice(i);
    for (const [name, value] of found) this.shell.variables.set(name, value);
    return [];
  }

  private tool(family: Family, words: readonly Word[], command: ShellCommand): void {
    const half = this.halves[family];
    const { context } = half;
    context.table = 'filter';
    const text = command.text;
    try {
      if (words.length === 0)
        throw errorAt(this.source, command.words[0]?.position ?? this.start(), 'no command', { hint: 'iptables -A CHAIN ...' });
      const result = readCommand(words, text, context, this.options.repair ?? false);
      if (result.command === undefined) return;
      const table = half.table(result.command.table, result.command.word.position);
      applyCommand(table, result.command, context);
      half.notes.push(...result.notes);
      if (!'LSC'.includes(result.command.letter)) this.changedSince[family] ??= result.command.word.position;
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      if (!command.tolerant || error.kind !== 'state') this.errors.push(error);
      else half.notes.push({ position: error.position, message: `does nothing here, as the script allows: ${error.message}` });
    }
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
    const name = first.text.startsWith('/etc/init.d/') ? first.text.slice(12) : rest[0]?.text;
    const verb = first.text.startsWith('/etc/init.d/') ? rest[0]?.text : rest[1]?.text;
    if (name !== 'iptables' && name !== 'ip6tables') return;
    const saved = { ...command, output: first };
    if (verb === 'save') this.save(name === 'ip6tables' ? 6 : 4, first, saved);
    else if (verb !== 'status') {
      this.errors.push(
        errorAt(this.source, first.position, `"${name} ${verb ?? ''}" loads other rules`, { hint: FOLLOW_HINT, kind: 'script' }),
      );
    }
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

  private other(name: string, first: Word, command: ShellCommand): void {
    if (REFUSED.has(name)) this.refuse(first, name);
    else if ((name === 'exit' || name === 'return') && command.joined !== '||') this.ended = true;
    else if (!HARMLESS.has(name)) this.unknown(name, first);
  }

  private unknown(name: string, first: Word): void {
    if (/^[A-Za-z_]\w*\+?=/.test(first.text)) return;
    const message = `ignored: "${name}" is not a command that is known to load rules`;
    this.halves[4].notes.push({ position: first.position, message });
  }
}

function notFlag(word: Word): boolean {
  return !/^-[A-Za-z]$/.test(word.text);
}
