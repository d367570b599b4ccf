/** iptables-save text -> model, line by line as iptables-restore 1.8.9 takes it. */
import { RuleError } from '../model/errors.ts';
import type { Counter } from '../model/outcome.ts';
import { BUILTIN_CHAINS, type Family, type RuleSet, type TableName } from '../model/ruleset.ts';
import { type Context, fail, type Registry } from './context.ts';
import { checkTable } from './legality.ts';
import { didYouMean } from './nearest.ts';
import { newContext, type ParseOptions } from './options.ts';
import { readCommand } from './rules-reader.ts';
import { errorAt, type Line, type Note, placeOn, readSource, type Source, type Word } from './source.ts';
import { applyCommand, create, setPolicy, TableState } from './state.ts';
import { splitWords } from './words.ts';

/** What came of reading: a rule set when there were no errors, and all errors in the order of their places. */
export interface ParseResult {
  ruleset?: RuleSet;
  errors: RuleError[];
}

/** More errors than these help nobody. */
const ERRORS_MAX = 100;

/**
 * Reads a dump. `bare` takes lines without `*table` and COMMIT as rules of the filter table. Never throws for what the text holds.
 */
export function readSave(text: string, family: Family, registry: Registry, options: ParseOptions, bare: boolean): ParseResult {
  const reader = new SaveReader(readSource(text, options.file), family, registry, options);
  return bare ? reader.readBare() : reader.read();
}

class SaveReader {
  private readonly source: Source;
  private readonly options: ParseOptions;
  private readonly context: Context;
  private readonly tables = new Map<TableName, TableState>();
  private readonly notes: Note[] = [];
  private readonly errors: RuleError[] = [];
  private current: TableState | undefined;
  /** Inside a table that does not exist: its lines are not looked at. */
  private lost = false;
  /** Errors at the start of the table being read: a table with errors is not checked as a whole. */
  private errorsBefore = 0;
  private crlf = false;

  constructor(source: Source, family: Family, registry: Registry, options: ParseOptions) {
    this.source = source;
    this.options = options;
    this.context = newContext(source, family, registry, options, true, {
      isChain: (table, name) => this.tables.get(table)?.chains.has(name) ?? false,
      chainNames: (table) => this.tables.get(table)?.chains.keys() ?? [],
    });
  }

  read(): ParseResult {
    for (const line of this.source.lines) {
      if (this.errors.length >= ERRORS_MAX) break;
      this.guarded(() => this.readLine(this.repairLine(line)));
    }
    if (this.errors.length < ERRORS_MAX && (this.current !== undefined || this.lost)) this.guarded(() => this.missingCommit());
    return this.result();
  }

  readBare(): ParseResult {
    const first = this.source.lines.find(({ text }) => !/^\s*(#|$)/.test(text));
    const place = first === undefined ? { file: this.source.file, line: 1, column: 1 } : placeOn(this.source, first, 1);
    this.openTable('filter', place);
    this.notes.push({
      position: place,
      message: 'no "*TABLE" line: the rules are taken for the filter table, its policies for ACCEPT',
    });
    for (const line of this.source.lines) {
      const trimmed = { ...line, text: line.text.trimStart() === '' ? '' : line.text };
      if (trimmed.text === '' || trimmed.text.trimStart().startsWith('#')) continue;
      this.guarded(() => this.readLine(this.repairLine(trimmed)));
      if (this.errors.length >= ERRORS_MAX) break;
    }
    this.commit();
    return this.result();
  }

  private result(): ParseResult {
    if (this.errors.length > 0) {
      this.errors.sort((a, b) => a.position.line - b.position.line || a.position.column - b.position.column);
      return { errors: this.errors };
    }
    const tables = [...this.tables.values()].map((table) => table.finish());
    return { ruleset: { family: this.context.family, file: this.source.file, tables, notes: this.notes }, errors: [] };
  }

  private guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      this.report(error);
    }
  }

  private report(error: RuleError): void {
    this.errors.push(error);
    // One such error tells it all: the rest is read as if the file were converted.
    if (error.source?.endsWith('\r') && error.hint?.includes('CRLF')) this.crlf = true;
  }

  /** What can be put right before a line is looked at; without --repair the line is kept and refused further on. */
  private repairLine(line: Line): Line {
    if (!this.options.repair) return this.crlf ? { ...line, text: line.text.replace(/\r+$/, '') } : line;
    let { text } = line;
    if (text.endsWith('\r')) {
      text = text.replace(/\r+$/, '');
      if (!this.crlf) this.note(line, 1, 'repaired: CRLF line ends (convert the file to plain newlines)');
      this.crlf = true;
    }
    const isMarked = line.number === 1 && text.startsWith('\ufeff');
    if (isMarked) {
      text = ` ${text.slice(1)}`;
      this.note(line, 1, 'repaired: a byte order mark at the start of the file');
    }
    const bare = text.replace(/^[\s\u00a0]+|[\s\u00a0]+$/g, '');
    if (text !== bare && (bare === '' || bare === 'COMMIT' || /^[*:#]/.test(bare))) {
      // The blank in the place of the mark keeps the columns; it is no fault of the file.
      const isBlank = !isMarked || text.slice(1) !== bare;
      if (bare !== '' && !bare.startsWith('#') && isBlank) this.note(line, 1, `repaired: blanks around "${bare.split(' ')[0]}"`);
      text = bare;
    }
    if (bare === 'COMMIT' && !line.terminated) this.note(line, 1, 'repaired: no newline behind COMMIT');
    return { ...line, text, terminated: true };
  }

  private note(line: Line, column: number, message: string): void {
    this.notes.push({ position: placeOn(this.source, line, column), message });
  }

  private readLine(line: Line): void {
    const { text } = line;
    if (text.startsWith('#') || (text === '' && line.terminated)) return;
    if (this.lost) {
      if (text === 'COMMIT') this.lost = false;
      return;
    }
    if (this.current === undefined) this.outside(line);
    else if (text === 'COMMIT' && (line.terminated || this.context.backend === 'nft')) this.commit();
    else if (text.startsWith(':')) this.readChain(line, this.current);
    else this.readRule(line, this.current);
  }

  private outside(line: Line): void {
    const { text } = line;
    if (text.startsWith('*')) {
      const name = /^[ \t]*([^ \t]*)/.exec(text.slice(1))?.[1] ?? '';
      if (name in BUILTIN_CHAINS) {
        this.openTable(name as TableName, placeOn(this.source, line, 1));
        return;
      }
      this.lost = true;
      const message = name === '' ? 'table name missing' : `no table named "${name.trim()}"`;
      const hint = crHint(text) ?? didYouMean(name, Object.keys(BUILTIN_CHAINS), 'raw, mangle, nat, filter or security');
      throw this.error(line, text.indexOf(name, 1) + 1, message, hint);
    }
    const hint =
      crHint(text) ??
      (/^[\s\u00a0\ufeff]/.test(text) ? 'a line cannot start with a blank here' : 'a table starts with a line "*filter"');
    throw this.error(line, 1, `"${text.trim().split(/\s/)[0] ?? ''}" outside of a table`, hint);
  }

  private error(line: Line, column: number, message: string, hint: string | undefined, kind = 'syntax'): RuleError {
    return errorAt(this.source, placeOn(this.source, line, column), message, { hint, kind });
  }

  private openTable(name: TableName, position: Note['position']): void {
    // iptables-nft-restore begins a table anew, policies too.
    const old = this.context.backend === 'nft' ? undefined : this.tables.get(name);
    old?.restart();
    this.current = old ?? new TableState(name, position);
    this.context.table = name;
    this.errorsBefore = this.errors.length;
    this.tables.set(name, this.current);
  }

  private commit(): void {
    const table = this.current;
    this.current = undefined;
    if (table !== undefined && this.errors.length === this.errorsBefore)
      this.guarded(() => checkTable(table.finish(), this.context));
  }

  private missingCommit(): void {
    const last = this.source.lines.at(-1);
    if (last === undefined) return;
    const hint =
      last.text === 'COMMIT' ? 'the last line must end with a newline' : 'iptables-restore loads nothing of a table without it';
    if (this.options.repair) {
      this.note(last, 1, 'repaired: COMMIT is missing at the end');
      this.commit();
      return;
    }
    if (this.errors.some((error) => error.position.line === last.number)) return;
    throw this.error(
      { number: last.number + 1, text: '', terminated: false },
      1,
      'COMMIT expected before the end of the file',
      hint,
    );
  }

  private readChain(line: Line, table: TableState): void {
    const words: Word[] = [...line.text.slice(1).matchAll(/[^ \t]+/g)].map((found) => ({
      text: found[0],
      position: placeOn(this.source, line, found.index + 2),
      quoted: true,
    }));
    const [name, policy, counters] = words;
    if (name === undefined) throw this.error(line, 2, 'chain name missing', 'write ":NAME POLICY"');
    if (table.chains.get(name.text)?.policy == null) this.declare(table, name);
    if (policy === undefined)
      throw this.error(
        line,
        line.text.length + 1,
        `policy of ${name.text} missing`,
        'ACCEPT or DROP, "-" for a chain of your own',
      );
    const declared = table.chains.get(name.text);
    if (declared !== undefined) declared.position = name.position;
    if (policy.text === '-' || (this.context.backend === 'nft' && declared?.policy === null)) return;
    const chain = setPolicy(table, name, this.withCrHint(policy), this.context);
    const values = readCounter(counters?.text);
    if (values !== undefined) chain.counters = values;
  }

  /** iptables-nft-restore takes a user chain twice, and begins it anew; names that look like options it does not take. */
  private declare(table: TableState, name: Word): void {
    const nft = this.context.backend === 'nft';
    const known = table.chains.get(name.text);
    if (nft && known !== undefined) table.splice(known, 0, known.rules.length, []);
    else if (nft && /^[-!]/.test(name.text))
      throw fail(this.context, name, `a chain name cannot start with "${name.text.slice(0, 1)}"`);
    else create(table, name, this.context, true);
  }

  private withCrHint(policy: Word): Word {
    if (!policy.text.endsWith('\r')) return policy;
    throw errorAt(this.source, policy.position, 'the line ends with a carriage return (CRLF)', {
      hint: 'convert the file, or use --repair',
      kind: 'repairable',
    });
  }

  private readRule(line: Line, table: TableState): void {
    const { start, counters } = this.ruleCounters(line);
    const words = splitWords(this.source, line, start);
    const first: Word = words[0] ?? { text: '', position: placeOn(this.source, line, 1), quoted: false };
    if (words.length === 0) throw this.error(line, 1, 'a line of blanks inside a table', 'leave the line empty');
    const { command, notes, errors } = readCommand(words, line.text.trim(), this.context, this.options.repair ?? false);
    for (const error of errors) this.report(error);
    if (command === undefined) return;
    if (command.word.position.line !== line.number) command.word = first;
    if (counters !== undefined) for (const rule of command.rules) rule.counters ??= { ...counters };
    applyCommand(table, command, this.context);
    this.notes.push(...notes);
  }

  /** `[packets:bytes]` in front of a rule. What is inside only matters to iptables-restore -c. */
  private ruleCounters(line: Line): { start: number; counters: Counter | undefined } {
    if (!line.text.startsWith('[')) return { start: 0, counters: undefined };
    const colon = line.text.indexOf(':', 2);
    const end = colon < 0 ? -1 : line.text.indexOf(']', colon + 2);
    if (end < 0) throw this.error(line, 1, 'counters want the form [packets:bytes]', undefined);
    return { start: end + 1, counters: readCounter(line.text.slice(0, end + 1)) };
  }
}

function crHint(text: string): string | undefined {
  return text.endsWith('\r') ? 'the line ends with a carriage return (CRLF); convert the file, or use --repair' : undefined;
}

function readCounter(text: string | undefined): Counter | undefined {
  const found = /^\[(\d{1,20}):(\d{1,20})\]/.exec(text ?? '');
  return found === null ? undefined : { packets: Number(found[1]), bytes: Number(found[2]) };
}
