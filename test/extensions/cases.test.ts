/** Every case on our parser, and the same cases on the real iptables of this machine, in a network namespace of their own. */
import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { extensions } from '../../src/extensions/index.ts';
import { RuleError } from '../../src/model/errors.ts';
import { type Case, readCases } from './case-files.ts';
import { readRule, split } from './reader.ts';

const cases = readCases();

describe('cases, our parser', () => {
  it('has a file for every extension', () => {
    const names = [...new Set(extensions.map(({ name }) => `${name}.txt`))];
    expect([...new Set(cases.map(({ file }) => file))].sort()).toEqual(names.sort());
  });

  for (const one of cases) {
    it(`${one.file}:${one.line} IPv${one.family} ${one.words}`, () => {
      const read = () => readRule(split(one.words), one.family, one.table, one.chain);
      if (one.saved === undefined) {
        expect(read).toThrow(RuleError);
        return;
      }
      expect(read().saved).toBe(one.saved);
      // What is saved reads back to what is saved.
      if (one.once) expect(() => readRule(split(one.saved!), one.family, one.table, one.chain)).toThrow(RuleError);
      else expect(readRule(split(one.saved), one.family, one.table, one.chain).saved).toBe(one.saved);
    });
  }
});

const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** A shell script that lets iptables-restore read each rule, and prints OK or FAIL. */
function readingScript(all: readonly Case[]): string {
  const lines = all.map(({ family, table, chain, words }) => {
    const command = `${family === 4 ? 'iptables' : 'ip6tables'}-legacy-restore --test`;
    return `printf '%s\\n' '*${table}' ${quote(`-A ${chain} ${words}`)} COMMIT | ${command} >/dev/null 2>&1 && echo OK || echo FAIL`;
  });
  return lines.join('\n');
}

/** What the cases of `set` ask. */
const SETS = 'ipset create p bitmap:port range 1-9; ipset create l list:set';
/** What the cases of `rateest` ask, in a table that they do not empty. */
const estimators = (variant: string): string =>
  ['e', 'f', 'abcdefghijklmno']
    .map(
      (name) =>
        `iptables-${variant} -t security -A INPUT -j RATEEST --rateest-name ${name} --rateest-interval 1s --rateest-ewmalog 2s`,
    )
    .join('; ');

/** A shell script that adds each rule to an empty chain and prints what the kernel gives back, or FAIL. */
function script(all: readonly Case[], variant: 'legacy' | 'nft'): string {
  const lines = all.map(({ family, table, chain, words }) => {
    const command = `${family === 4 ? 'iptables' : 'ip6tables'}-${variant}`;
    const rule = split(words).map(quote).join(' ');
    const add = `${command} -t ${table} -A ${chain} ${rule} >/dev/null 2>&1`;
    return `${command} -t ${table} -F; if ${add}; then ${command} -t ${table} -S ${chain} | tail -n +2; else echo FAIL; fi; echo ----`;
  });
  lines.splice(
    all.findIndex(({ file }) => file === 'rateest.txt'),
    0,
    estimators(variant),
  );
  return [SETS, ...lines].join('\n');
}

function isThere(variant: 'legacy' | 'nft'): boolean {
  const probe = `iptables-${variant} -A INPUT -p tcp --dport 1 && ip6tables-${variant} -A INPUT -p tcp --dport 1`;
  return spawnSync('unshare', ['-n', 'sh', '-c', probe], { stdio: 'ignore' }).status === 0;
}

for (const variant of ['legacy', 'nft'] as const) {
  describe.skipIf(!isThere(variant))(`cases, iptables-${variant}`, () => {
    it('answers what the case files say', { timeout: 120_000 }, () => {
      const asked = cases.filter(({ legacyOnly, readOnly }) => !readOnly && (variant === 'legacy' || !legacyOnly));
      const output = execFileSync('unshare', ['-n', 'bash'], {
        input: script(asked, variant),
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      const answers = output.split('----\n').slice(0, -1);
      expect(answers.length).toBe(asked.length);
      const wrong = asked.flatMap((one, i) => {
        const answer = (answers[i] ?? '').trim();
        const wanted = one.saved === undefined ? 'FAIL' : `-A ${one.chain} ${one.saved}`.trim();
        return answer === wanted ? [] : [`${one.file}:${one.line} IPv${one.family} ${one.words}: ${answer}, not ${wanted}`];
      });
      expect(wrong).toEqual([]);
    });
  });
}

describe.skipIf(!isThere('legacy'))('cases about what not every kernel has', () => {
  it('are read by iptables-legacy-restore as the case files say', { timeout: 120_000 }, () => {
    const asked = cases.filter(({ readOnly }) => readOnly);
    const output = execFileSync('unshare', ['-n', 'bash'], { input: readingScript(asked), encoding: 'utf8' });
    const answers = output.trim().split('\n');
    const wrong = asked.filter(({ saved }, i) => answers[i] !== (saved === undefined ? 'FAIL' : 'OK'));
    expect(wrong.map(({ file, line, words }) => `${file}:${line} ${words}`)).toEqual([]);
    expect(answers.length).toBe(asked.length);
  });
});
