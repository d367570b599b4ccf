/** Rules by their places: finding them in a case's text, and reading an answer about moved rules as one about the rules where they stood. */
import { findMatch, findTarget } from '../../extensions/index.ts';
import type { ChainCounters, PacketOutcome, TableCounters } from '../../model/outcome.ts';
import type { Chain, Rule, TableName } from '../../model/ruleset.ts';
import type { FuzzCase } from '../case.ts';
import type { Answer } from '../differential.ts';

export interface Place {
  table: TableName;
  chain: string;
  /** 1-based; the number of rules and one for the chain's end. */
  number: number;
}

/** A rule, the chain it is in, and its line of the text (from 0). */
export interface PlacedRule extends Place {
  rule: Rule;
  inChain: Chain;
  line: number;
}

export function placedRules({ ruleset }: FuzzCase): PlacedRule[] {
  return ruleset.tables.flatMap(({ name, chains }) =>
    chains.flatMap((inChain) =>
      inChain.rules.map((rule, index) => ({
        table: name,
        chain: inChain.name,
        number: index + 1,
        rule,
        inChain,
        line: rule.position.line - 1,
      })),
    ),
  );
}

/** A match or the target of the rule remembers packets: doubling or splitting the rule changes what it answers. */
export const keepsState = ({ matches, target }: Rule): boolean =>
  matches.some(({ name }) => (findMatch(name, 4) ?? findMatch(name, 6))?.keepsState === true) ||
  (target?.kind === 'extension' && (findTarget(target.name, 4) ?? findTarget(target.name, 6))?.keepsState === true);

/** Words of a rule's line behind `-A CHAIN`, quotes and all. */
export const wordsOf = (line: string): string[] => (line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? []).slice(2);

export const ruleLine = (chain: string, words: readonly string[]): string => ['-A', chain, ...words].join(' ');

/** The text with `count` lines from `line` on put in the place of others. */
export const spliced = (rules: string, line: number, count: number, instead: readonly string[]): string =>
  rules
    .split('\n')
    .toSpliced(line, count, ...instead)
    .join('\n');

/** Where a rule of the changed set stood before; undefined for one that did not exist. */
export type Before = (place: Place) => Place | undefined;

const NEW = 'a rule that was not there';

/**
 * TRACE's words with the place before, and without `rule`, `return` or `policy`: those say only whether a rule asks for something and what chain it is in.
 * How many rules were looked at is left out: changes of rules change it.
 */
export function asBefore(answer: Answer, move: Before, counters: TableCounters): Answer {
  const word = (text: string): string => {
    const [table = '', chain = '', , number = ''] = text.split(':');
    const place = move({ table: table as TableName, chain, number: Number(number) });
    return place === undefined ? NEW : `${place.table}:${place.chain}:${place.number}`;
  };
  const packets = answer.packets.map((packet): PacketOutcome => {
    const { rule, path, ...rest } = packet;
    return { ...rest, ...(rule !== undefined && { rule: word(rule) }), ...(path !== undefined && { path: path.map(word) }) };
  });
  const [family] = Object.keys(answer.result.counters) as unknown as (4 | 6)[];
  const moved = movedCounters(answer.result.counters[family!] ?? {}, move, counters);
  return { ...answer, packets, result: { ...answer.result, evaluations: 0, counters: { [family!]: moved } } };
}

/** `shape`: the counters before, for tables, chains and how many rules they had. */
function movedCounters(after: TableCounters, move: Before, shape: TableCounters): TableCounters {
  const empty = (chain: ChainCounters): ChainCounters => ({
    ...chain,
    packets: 0,
    bytes: 0,
    rules: chain.rules.map(() => ({ packets: 0, bytes: 0 })),
  });
  const out: TableCounters = Object.fromEntries(
    Object.entries(shape).map(([table, chains]) => [
      table,
      Object.fromEntries(Object.entries(chains).map(([name, chain]) => [name, empty(chain)])),
    ]),
  );
  for (const [table, chains] of Object.entries(after))
    for (const [name, chain] of Object.entries(chains)) {
      const same = out[table]![name]!;
      same.packets += chain.packets;
      same.bytes += chain.bytes;
      for (const [index, { packets, bytes }] of chain.rules.entries()) {
        const place = move({ table: table as TableName, chain: name, number: index + 1 });
        const counter = place === undefined ? undefined : out[place.table]![place.chain]!.rules[place.number - 1]!;
        if (counter === undefined) continue;
        counter.packets += packets;
        counter.bytes += bytes;
      }
    }
  return out;
}
