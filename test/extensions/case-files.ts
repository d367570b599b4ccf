/** The case files: `rule words;saved form or =;OK|FAIL[;legacy|;read|;once]`, with `:FAMILIES TABLE CHAIN` lines that set where the rules stand. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Family, TableName } from '../../src/model/ruleset.ts';

export interface Case {
  file: string;
  line: number;
  family: Family;
  table: TableName;
  chain: string;
  words: string;
  /** undefined: must be refused. */
  saved: string | undefined;
  /** Only iptables-legacy is asked: nft prints or accepts otherwise. */
  legacyOnly: boolean;
  /** The tool is only asked whether it reads the rule: not every kernel has what it is about. */
  readOnly: boolean;
  /** The tool does not read what it saves. */
  once: boolean;
}

const folder = join(dirname(fileURLToPath(import.meta.url)), 'cases');

export function readCases(): Case[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .sort()
    .flatMap((name) => readCaseFile(name));
}

function readCaseFile(file: string): Case[] {
  const out: Case[] = [];
  let place: Pick<Case, 'table' | 'chain'> & { families: Family[] } = { families: [4], table: 'filter', chain: 'INPUT' };
  for (const [i, line] of readFileSync(join(folder, file), 'utf8').split('\n').entries()) {
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith(':')) {
      const [families = '', table = '', chain = ''] = line.slice(1).split(' ');
      place = { families: [...families].map((digit) => (digit === '6' ? 6 : 4)), table: table as TableName, chain };
      continue;
    }
    const [words = '', saved = '', verdict = '', note] = line.split(';');
    if (!['OK', 'FAIL'].includes(verdict)) throw new Error(`${file}:${i + 1}: OK or FAIL is missing`);
    for (const family of place.families) {
      out.push({
        file,
        line: i + 1,
        family,
        table: place.table,
        chain: place.chain,
        words,
        saved: verdict === 'FAIL' ? undefined : saved === '=' ? words : saved,
        legacyOnly: note === 'legacy',
        readOnly: note === 'read',
        once: note === 'once',
      });
    }
  }
  return out;
}
