/** The help of every command: fits a page, says all options, and its examples work as they stand. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT, shell } from './command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-help-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Files as the examples name them. */
beforeAll(() => {
  const copies = {
    'rules.v4': 'pcaps/web/rules.v4',
    'rules.v6': 'pcaps/web/rules.v6',
    'old.v4': 'pcaps/seed/learner.rules.v4',
    'new.v4': 'pcaps/seed/advised.rules.v4',
    'mail.txt': 'pcaps/seed/gateway.pasted.txt',
    'addr.json': 'pcaps/gateway/addr.json',
    'capture.pcap': 'pcaps/web/capture.pcap',
    'captures/one.pcap': 'pcaps/web/capture.pcap',
  };
  mkdirSync(join(folder, 'captures'));
  for (const [to, from] of Object.entries(copies)) copyFileSync(join(ROOT, from), join(folder, to));
});

const HELPS = ['wasmtables --help', 'wasmtables replay --help', 'wasmtables trace --help'];

describe.each(HELPS)('%s', (line) => {
  test('fits into 100 columns, has examples, is the same for "help"', async () => {
    const { code, stdout, stderr } = await shell(line);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n').filter((text) => text.length > 100)).toEqual([]);
    expect(stdout).toMatch(/^Usage: wasmtables .*\n\n[A-Z][\s\S]*?\.\n/);
    expect(stdout).toContain('\nExamples:\n');
    expect((await shell(line.replace(/wasmtables (.*)--help/, 'wasmtables help $1'))).stdout).toBe(stdout);
  });

  test('its examples run', async () => {
    const { stdout } = await shell(line);
    const examples = [...stdout.matchAll(/^ {2}((?:\S+ .*\| )?wasmtables (?:replay|trace) -.*)$/gm)].map(
      ([, example]) => example ?? '',
    );
    expect(examples.length).toBeGreaterThanOrEqual(3);
    for (const example of examples) {
      // No live packets here.
      const { code, stderr } = await shell(example.replace('tcpdump -w -', 'cat capture.pcap'), { cwd: folder });
      // Rule sets that differ are 1.
      expect({ example, code, stderr }).toEqual({
        example,
        code: example.includes('old.v4') ? 1 : 0,
        stderr: expect.not.stringMatching(/error/),
      });
    }
  }, 60_000);
});

test('the help of fuzz fits too, and every option of its examples is one (fuzz.test.ts runs it)', async () => {
  const { stdout } = await shell('wasmtables fuzz --help');
  expect(stdout.split('\n').filter((text) => text.length > 100)).toEqual([]);
  const [options = '', examples = ''] = stdout.split('\nExamples:\n');
  expect(examples.match(/--[a-z]+/g)?.length).toBeGreaterThan(4);
  for (const [option] of examples.matchAll(/--[a-z]+/g)) expect(options).toContain(`${option} <`);
});

test('the help of the whole names every command and exit code', async () => {
  const { stdout } = await shell('wasmtables --help');
  for (const name of ['replay', 'trace', 'fuzz']) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'));
  for (const code of [0, 1, 2, 3, 4, 70, 130]) expect(stdout).toMatch(new RegExp(`^ {2}${code} `, 'm'));
});
