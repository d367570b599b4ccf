/** `wasmtables fuzz` as a process: seeds, shares, corpus, exit codes. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { command } from './command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SMALL = ['fuzz', '--seed', '7', '--cases', '40', '--packets', '10', '--only', 'tcp,udp,length'];
const lines = (file: string): string[] => readFileSync(join(folder, file), 'utf8').trim().split('\n');

/** What of a summary does not depend on the clock. */
const timeless = (text: string): string => text.replace(/\([\d.-]+\/s\)/g, '').replace(/ in [\d.]+ s/, '');

describe('wasmtables fuzz', () => {
  it('prints its seed, and says the same again and with two processes', async () => {
    const one = await command(SMALL);
    expect(one).toMatchObject({ code: 0 });
    expect(one.stderr).toContain('seed 7 (--seed 7 repeats this run)');
    expect(one.stdout).toMatch(/^seed 7: 40 cases .*, 400 packets, \d+% of rules hit, 0 mismatches/);
    const two = await command([...SMALL, '--jobs', '2']);
    expect(two).toMatchObject({ code: 0 });
    const sorted = (text: string): string[] =>
      timeless(text)
        .split(/[\n,]/)
        .map((part) => part.trim())
        .sort();
    expect(sorted(two.stdout)).toEqual(sorted(one.stdout));
  });

  it('goes on where the corpus ends', async () => {
    const corpus = join(folder, 'corpus');
    const words = (cases: string): string[] => [
      'fuzz',
      '--cases',
      cases,
      '--packets',
      '10',
      '--only',
      'length',
      '--corpus',
      corpus,
    ];
    const first = await command(words('40'));
    expect(first).toMatchObject({ code: 0 });
    const seed = Number(lines('corpus/seed')[0]);
    expect(first.stdout).toContain(`seed ${seed}: 40 cases`);
    const batches = lines('corpus/done.txt');
    expect(batches).toEqual([0, 1].map((turn) => `reference,engine 10/any/length ${seed + turn}`));
    const interesting = lines('corpus/interesting.txt').length;
    const second = await command(words('60'));
    expect(second.stderr).toContain(`seed ${seed} `);
    expect(second.stdout).toContain(`seed ${seed}: ${20 + 20 * interesting} cases`);
    expect(new Set(lines('corpus/done.txt')).size).toBe(3);
  });

  it('one case again', async () => {
    const again = await command(['fuzz', '--against', 'reference,linear', '--seed', '3', '--path', '4', '--packets', '5']);
    expect(again).toMatchObject({ code: 0, stdout: 'seed 3 path 4: all agree\n' });
  });

  it.each([
    [['--against', 'reference,kernel'], /--against knows .*"kernel"/],
    [['--only', 'tpc'], /no match or target "tpc"/],
    [['--time', 'soon'], /90s, 30m or 8h/],
    [['--path', '3'], /--path goes with --seed/],
    [['--path', '0:9999:9999', '--seed', '3', '--packets', '5'], /no such path/],
    [['--path', '8:0:', '--seed', '3'], /--path wants numbers with colons between/],
  ])('%s is wrong usage', async (words, message) => {
    const ran = await command(['fuzz', '--cases', '1', ...words]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(message);
  });
});
