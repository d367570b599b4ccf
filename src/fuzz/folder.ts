/**
 * The folder of a case: `rules.v4` or `rules.v6`, `capture.pcap`, `case.json` (what it is about, and the host), `expected.json` (what the judge said). test/regressions holds such folders; the
 * fuzzer writes them.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostGiven } from '../model/host-build.ts';
import type { TableCounters } from '../model/outcome.ts';
import type { Profile } from '../model/profile.ts';
import type { Family } from '../model/ruleset.ts';

export type Backend = Profile['backend'];

/** case.json. */
export interface About {
  /** What happened, in a sentence or two. */
  story: string;
  host: HostGiven;
  backends: Backend[];
  sysctls?: Record<string, number>;
  /** Packets are sent at the distances of their times. */
  spacing?: 'real';
  /** The story shows in TRACE: ways are kept and compared. */
  paths?: true;
  /** Who differed: `legacy`, `reference`... */
  between?: readonly [string, string];
  /** What the fuzzer is told to make the case again. */
  again?: string;
}

/** What the judge said under one backend. */
export interface Expected {
  /** `kernel 6.18.5`, or `reference` where no kernel could be asked. */
  by?: string;
  /** Chains without rules and without packets are left out: iptables-nft makes no chain it was not told of. */
  counters: TableCounters;
  /** The way of every packet, in the words of TRACE. */
  paths?: string[][];
}

export interface CaseFolder {
  about: About;
  family: Family;
  rules: string;
  capture: Uint8Array;
  expected: Partial<Record<Backend, Expected>>;
}

/** Counters as they are kept. */
export function kept(counters: TableCounters | undefined): TableCounters {
  const tables = Object.entries(counters ?? {}).map(([table, chains]) => {
    const some = Object.entries(chains).filter(([, chain]) => chain.rules.length > 0 || chain.packets > 0);
    return [table, Object.fromEntries(some)] as const;
  });
  return Object.fromEntries(tables.filter(([, chains]) => Object.keys(chains).length > 0));
}

/** Reads a folder; `expected` is empty when nobody judged it yet. Throws the file system's errors, and SyntaxError for what is not JSON. */
export function readFolder(folder: string): CaseFolder {
  const text = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const family: Family = existsSync(join(folder, 'rules.v4')) ? 4 : 6;
  const expected = existsSync(join(folder, 'expected.json')) ? (JSON.parse(text('expected.json')) as CaseFolder['expected']) : {};
  return {
    about: JSON.parse(text('case.json')) as About,
    family,
    rules: text(`rules.v${family}`),
    capture: new Uint8Array(readFileSync(join(folder, 'capture.pcap'))),
    expected,
  };
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

export function writeExpected(folder: string, expected: CaseFolder['expected']): void {
  writeFileSync(join(folder, 'expected.json'), json(expected));
}

/** Writes the four files into a folder that is there. */
export function writeFolder(folder: string, { about, family, rules, capture, expected }: CaseFolder): void {
  writeFileSync(join(folder, `rules.v${family}`), rules);
  writeFileSync(join(folder, 'capture.pcap'), capture);
  writeFileSync(join(folder, 'case.json'), json(about));
  writeExpected(folder, expected);
}
