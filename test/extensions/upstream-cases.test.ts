/**
 * The case files of iptables' own test suite (extensions/*.t of its sources, 1.8.9), read from where WASMTABLES_IPTABLES_SOURCE says: they are no part of this repository
 * (`apt-get source iptables` fetches them). What does not agree stands here with its reason.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findMatch, findTarget } from '../../src/extensions/index.ts';
import { upstream } from '../../src/extensions/upstream.ts';
import { BUILTIN_CHAINS, type Family, type TableName } from '../../src/model/ruleset.ts';
import { parseSaveAll, printSave } from '../../src/syntax/index.ts';

const SOURCE = process.env.WASMTABLES_IPTABLES_SOURCE;

interface UpstreamCase {
  file: string;
  family: Family;
  table: TableName;
  chain: string;
  rule: string;
  /** What is printed; undefined: refused. */
  saved: string | undefined;
}

/** Lines that do not agree, by file and rule, and why. */
const GONE = 'Linux 6.18 has no CLUSTERIP any more';
const CLUSTERIP = '-d 10.31.3.236/32 -i lo -j CLUSTERIP --new --hashmode sourceip --clustermac 01:AA:7B:47:F7:D7 --total-nodes 2';
const OTHERWISE: Readonly<Record<string, string>> = {
  [`libipt_CLUSTERIP.t ${CLUSTERIP} --local-node 1 --hash-init 1`]: GONE,
  [`libipt_CLUSTERIP.t ${CLUSTERIP} --local-node 2 --hash-init 1`]: GONE,
  'libxt_nfacct.t -m nfacct --nfacct-name wrong': 'the object is taken to be there',
  'libxt_recent.t -m recent --rcheck --hitcount 999 --name foo --mask 255.255.255.255 --rsource':
    'Linux 6.18 counts up to 65535, older ones (--kernel 6.1) up to 255',
};

/** Extensions that are not there yet: all their lines are refused. */
const MISSING: ReadonlySet<string> = new Set(
  upstream
    .filter(({ name, kind, families }) =>
      families.every((family) => (kind === 'match' ? findMatch : findTarget)(name, family) === undefined),
    )
    .map(({ name }) => name),
);

function readFile(folder: string, file: string): UpstreamCase[] {
  const family: Family = file.startsWith('libip6t_') ? 6 : 4;
  let table: TableName = 'filter';
  let chains: string[] = [];
  const out: UpstreamCase[] = [];
  for (const line of readFileSync(join(folder, file), 'utf8').split('\n')) {
    if (line === '' || /^[#@%]/.test(line)) continue;
    if (line.startsWith(':')) chains = line.slice(1).split(',');
    else if (line.startsWith('*')) table = line.slice(1).trim() as TableName;
    else {
      const [rule = '', saved = '', verdict = '', variant = ''] = line.split(';').map((part) => part.trim());
      // Results for one of the backends alone: the other way round for the other one.
      const refused = (verdict === 'FAIL') === (variant === '' || variant === 'LEGACY');
      for (const chain of chains)
        out.push({ file, family, table, chain, rule, saved: refused ? undefined : saved === '=' ? rule : saved });
    }
  }
  return out;
}

/** The rule as it is printed; undefined when it is refused. */
function ours({ family, table, chain, rule }: UpstreamCase): string | undefined {
  const chains = BUILTIN_CHAINS[table].map((name) => `:${name} ACCEPT [0:0]\n`).join('');
  const text = `*${table}\n${chains}-A ${chain} ${rule}\nCOMMIT\n`;
  const { ruleset } = parseSaveAll(text, { file: 'case', family });
  if (ruleset === undefined) return undefined;
  const printed = printSave(ruleset, { counters: false }).split('\n');
  return printed
    .find((line) => line.startsWith(`-A ${chain}`))
    ?.slice(`-A ${chain}`.length)
    .trim();
}

describe.skipIf(SOURCE === undefined)(`iptables' own cases (WASMTABLES_IPTABLES_SOURCE ${SOURCE ?? 'is not set'})`, () => {
  it('agree, but for those listed', () => {
    const folder = join(SOURCE ?? '', 'extensions');
    const files = readdirSync(folder).filter((name) => /^lib(xt|ipt|ip6t)_.*\.t$/.test(name));
    const cases = files.flatMap((file) => readFile(folder, file));
    const wrong = cases.filter((one) => ours(one) !== one.saved);
    const known = wrong.filter(({ file }) => !MISSING.has(/_(\w+)\.t$/.exec(file)?.[1] ?? ''));
    const told = [...new Set(known.map((one) => `${one.file} ${one.rule}`))];
    console.info(
      `${cases.length} cases: ${wrong.length} differ, ${wrong.length - known.length} of them for an extension that is not there yet`,
    );
    expect(
      told
        .filter((line) => OTHERWISE[line] === undefined)
        .map((line) => {
          const one = wrong.find(({ file, rule }) => `${file} ${rule}` === line)!;
          return `${line} (${one.chain}): ${ours(one)}, not ${one.saved}`;
        }),
    ).toEqual([]);
    // What agrees by now is no exception any more.
    expect(Object.keys(OTHERWISE).filter((line) => !told.includes(line))).toEqual([]);
    expect(known.length / cases.length).toBeLessThan(0.02);
  });
});
