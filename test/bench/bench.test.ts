/** What the bench says of its own work: rules that count, results that stay. */
import { describe, expect, test } from 'vitest';
import { merged, type Origin, type Results } from '../../bench/record.ts';
import { hostFirewall } from '../../bench/rules.ts';
import { checkEvaluations, ENGINE, hostWorkload, LINEAR, measure } from '../../bench/suite.ts';

describe('rules that are added', () => {
  test.each([ENGINE, LINEAR])('are evaluated for every incoming packet', async (start) => {
    const measured: Parameters<typeof checkEvaluations>[0][number][] = [];
    for (const extra of [0, 80, 280]) {
      const { evaluations = 0 } = await measure('engine', hostWorkload(2000, 100, extra), start, 1);
      measured.push({ rules: 20 + extra, evaluations });
    }
    expect(() => checkEvaluations(measured)).not.toThrow();
    expect(measured[2]!.evaluations - measured[0]!.evaluations).toBeGreaterThan(140);
  });

  test('and those that no packet meets are found out', () => {
    const measured = [20, 100].map((rules) => ({ rules, evaluations: 1.5 }));
    expect(() => checkEvaluations(measured)).toThrow('100 rules: 1.5 are evaluated a packet, with 20 1.5');
  });

  test('stand in front of the rule for ESTABLISHED', () => {
    const lines = hostFirewall(2).split('\n');
    expect(lines.findIndex((line) => line.includes('ESTABLISHED'))).toBeGreaterThan(
      lines.findIndex((line) => line.includes('--dport 8001')),
    );
  });
});

describe('recording', () => {
  const nothing: Results = { host: [], connections: [], bundled: [], classification: [], processes: [], rules: [] };
  const group = (title: string): Results['host'] => [{ title, rows: [] }];
  const [old, now] = ['1111111', '2222222'].map((commit) => ({ machine: 'one', node: 'v20', commit })) as [Origin, Origin];

  test('keeps the parts of the day that are not measured, with their commit', () => {
    const before = { ...nothing, measured: { host: old, bundled: old }, host: group('before'), bundled: group('bundled') };
    const kept = merged(before, { ...nothing, host: group('after') }, now);
    expect(kept.host).toEqual(group('after'));
    expect(kept.bundled).toEqual(group('bundled'));
    expect(kept.measured).toEqual({ host: now, bundled: old });
    const third = { ...now, commit: '3333333 with uncommitted changes' };
    expect(merged(kept, { ...nothing, connections: group('more') }, third).measured).toEqual({
      host: now,
      bundled: old,
      connections: third,
    });
  });
});
