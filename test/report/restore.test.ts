/** --format iptables-save is what the real iptables-legacy-restore -c takes, with the same counters read back. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { available } from '../../src/kernel/index.ts';
import { command, ROOT } from '../cli/command.ts';

const { ok } = available();

/** The lines that count: neither comments nor blank, chains of a table in any order as nobody promises one. */
function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/** Restores and saves in a network namespace that ends with the command. */
function throughKernel(text: string, family: 4 | 6): string {
  const tool = family === 4 ? 'iptables-legacy' : 'ip6tables-legacy';
  const script = `${tool}-restore -c && ${tool}-save -c`;
  const { status, stdout, stderr } = spawnSync('unshare', ['-n', 'sh', '-c', script], {
    input: text,
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (status !== 0) throw new Error(`${script}: ${stderr}\n${text}`);
  return stdout;
}

const scenarios = readdirSync(join(ROOT, 'pcaps')).filter((name) => existsSync(join(ROOT, 'pcaps', name, 'scenario.json')));

describe.skipIf(!ok)('needs iptables-legacy and namespaces', () => {
  test.each(scenarios)('%s', async (name) => {
    const folder = join('pcaps', name);
    const { capture, rules4, rules6 } = JSON.parse(readFileSync(join(ROOT, folder, 'scenario.json'), 'utf8')) as Record<
      string,
      string
    >;
    for (const [family, rules] of [
      [4, rules4],
      [6, rules6],
    ] as const) {
      if (rules === undefined) continue;
      const args = ['-R', join(folder, rules), '-r', join(folder, capture!), `-${family}`, '--format', 'iptables-save'];
      const { code, stdout } = await command(['replay', ...args]);
      expect(code).toBe(0);
      expect(lines(stdout).some((line) => /^\[[1-9]/.test(line))).toBe(true);
      expect(lines(throughKernel(stdout, family)).sort()).toEqual(lines(stdout).sort());
    }
  });
});
