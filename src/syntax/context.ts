/** What reading a command needs to know, and what it gives. */
import type { MatchExtension, TargetExtension } from '../extensions/extension.ts';
import type { RuleError } from '../model/errors.ts';
import type { Profile } from '../model/profile.ts';
import type { Family, Rule, TableName } from '../model/ruleset.ts';
import { errorAt, type Note, type Source, type Word } from './source.ts';

/** Where extensions are looked up: src/extensions, or a few of a test's own. */
export interface Registry {
  findMatch(name: string, family: Family): MatchExtension | undefined;
  findTarget(name: string, family: Family): TargetExtension | undefined;
}

/** The chains there are while a command is read. */
export interface ChainLookup {
  isChain(table: TableName, name: string): boolean;
  chainNames(table: TableName): Iterable<string>;
}

export interface Context extends ChainLookup {
  source: Source;
  family: Family;
  registry: Registry;
  unsupported: 'refuse' | 'assume-miss' | 'assume-hit';
  backend: Profile['backend'];
  kernel: Profile['kernel'];
  /** In a dump `-t`, `-w` and `-M` are refused and the table is the block's; on a command line it is `filter` until `-t` says otherwise. */
  dump: boolean;
  table: TableName;
}

/** The letters of the commands; `none`: nothing to do (a line for the other family, `-V`). */
export type CommandLetter = 'A' | 'D' | 'C' | 'I' | 'R' | 'L' | 'S' | 'F' | 'Z' | 'N' | 'X' | 'E' | 'P';

export interface Command {
  letter: CommandLetter;
  /** Where the command's letter stands. */
  word: Word;
  table: TableName;
  chain?: Word;
  /** Rule number of -I, -D, -R, -Z. */
  number?: number;
  /** -E's new name. */
  newName?: Word;
  policy?: Word;
  /** For -A -D -C -I -R by specification: one rule, or all combinations of address lists in iptables' order. */
  rules: Rule[];
  notes: Note[];
}

/** An error of this context, at a word. */
export function fail(
  context: { source: Source },
  at: Word,
  message: string,
  more: { hint?: string | undefined; kind?: string | undefined } = {},
): RuleError {
  return errorAt(context.source, at.position, message, { kind: 'illegal', ...more });
}
