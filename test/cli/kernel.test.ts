/** --kernel: the same capture under another kernel, and what is not one. */
import { expect, test } from 'vitest';
import type { Report } from '../../src/report/report.ts';
import { command } from './command.ts';

const FOLDER = 'test/regressions/multicast-router-discovery-is-untracked';
const replay = (...args: string[]) =>
  command([
    'replay',
    '-R',
    `${FOLDER}/rules.v6`,
    '-r',
    `${FOLDER}/capture.pcap`,
    '-6',
    '--forward',
    '--in',
    'eth0',
    '--out',
    'eth1',
    ...args,
  ]);

/** Packets that rules for UNTRACKED and INVALID counted. */
async function counted(engine: string, ...args: string[]): Promise<{ kernel: string; rules: number[] }> {
  const { code, stdout, stderr } = await replay('--format', 'json', '--engine', engine, ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { profile, tables } = JSON.parse(stdout) as Report;
  return { kernel: profile.kernel, rules: tables.filter!.FORWARD!.rules.map(({ packets }) => packets) };
}

test.each(['wasm', 'reference'])('%s answers for the kernel that is named', async (engine) => {
  expect(await counted(engine)).toEqual({ kernel: '6.18', rules: [3, 1] });
  expect(await counted(engine, '--kernel', '6.12')).toEqual({ kernel: '6.12', rules: [3, 1] });
  expect(await counted(engine, '--kernel', '6.1')).toEqual({ kernel: '6.1', rules: [0, 4] });
});

test('a kernel that was never asked is refused, with those that were', async () => {
  const { code, stderr } = await replay('--kernel', '4.19');
  expect(code).toBe(2);
  expect(stderr).toMatch(/4\.19.*6\.1, 6\.12, 6\.18/);
});
