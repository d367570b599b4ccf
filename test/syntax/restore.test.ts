import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseSaveAll, printSave } from '../../src/syntax/index.ts';
import { type RealResult, realTools, restoreReally, sortTables, untouched } from './real.ts';
import { RESTORE_CASES } from './restore-cases.ts';

type Backend = 'legacy' | 'nft';

const FILES: Record<Backend, string> = { legacy: 'restore-cases.golden.json', nft: 'restore-cases.nft.golden.json' };

/** Loaded by both, printed otherwise by iptables-nft-save; we print as legacy does. */
const PRINTED_OTHERWISE = new Map([
  ['IPv4 -A INPUT ! -i +', 'what can never match is printed'],
  ['IPv4 -A INPUT -p udp -m comment --comment a --dport 3 -m udp --sport 4', 'two uses of a match become one'],
  ['IPv4 -A INPUT -p tcp -m tcp --dport 4 -m tcp --sport 5', 'two uses of a match become one'],
  ['IPv4 -A INPUT -p tcp -m tcp --dport 4 -m tcp --dport 5', 'two uses of a match become one, the first is not printed'],
]);

/** Tables a kernel shows only because they were touched; ours holds what the dump names, which is the same. */
function ours(text: string, family: 4 | 6, backend: Backend): { saved?: string; line?: number; message?: string } {
  const { ruleset, errors } = parseSaveAll(text, { file: 'case', family, backend });
  if (ruleset !== undefined) return { saved: sortTables(printSave(ruleset, { counters: false })) };
  const [error] = errors;
  return { ...(error === undefined ? {} : { line: error.position.line, message: error.message }) };
}

function goldenOf(backend: Backend): Record<string, RealResult> {
  const file = new URL(`./${FILES[backend]}`, import.meta.url);
  if (process.env.RECORD !== undefined) {
    const recorded = RESTORE_CASES.map(({ name, text, family }) => [name, restoreReally(text, family, backend)]);
    writeFileSync(file, `${JSON.stringify(Object.fromEntries(recorded), undefined, 1)}\n`);
  }
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
}

/** Where the kernel refuses the table as a whole, the tool can only name COMMIT's line; we name the rule. */
function atCommit(text: string, real: RealResult): boolean {
  return real.line !== undefined && text.split('\n')[real.line - 1] === 'COMMIT' && /line \d+ failed/.test(real.message ?? '');
}

for (const backend of ['legacy', 'nft'] as const) {
  const golden = goldenOf(backend);

  describe(`dumps and rules as iptables-${backend}-restore 1.8.9 takes them`, () => {
    for (const { name, text, family } of RESTORE_CASES) {
      it(name, () => {
        const real = golden[name];
        const result = ours(text, family, backend);
        expect(real, 'recorded').toBeDefined();
        if (real === undefined) return;
        if (real.saved === undefined) {
          expect(result.saved, real.message).toBeUndefined();
          // The kernel of nftables is asked rule by rule, but knows chains that are missing only at the end; we name the rule that is wrong.
          if (backend === 'legacy' && real.line !== undefined && !atCommit(text, real))
            expect(result.line, `${result.message} / ${real.message}`).toBe(real.line);
        } else if (backend === 'nft' && PRINTED_OTHERWISE.has(name)) expect(result.saved).toBeDefined();
        else expect({ ...result, saved: untouched(result.saved, real.saved) }).toEqual({ saved: real.saved });
      });
    }
  });

  describe.skipIf(!realTools[backend])(`the recorded results are what iptables-${backend} on this machine does`, () => {
    it('for all cases', () => {
      for (const { name, text, family } of RESTORE_CASES) {
        const real = restoreReally(text, family, backend);
        expect({ name, saved: real.saved }).toEqual({ name, saved: golden[name]?.saved });
      }
    }, 300_000);
  });
}
