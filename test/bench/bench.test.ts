/** What the bench says of its own work: rules that count, results that stay. */
import { describe, expect, test } from 'vitest';
import { kubeRules, kubeWorkload } from '../../bench/kube.ts';
import { merged, type Origin, type Results } from '../../bench/record.ts';
import { hostFirewall } from '../../bench/rules.ts';
import { checkEvaluations, ENGINE, hostWorkload, LINEAR, measure, REFERENCE, replayBytes } from '../../bench/suite.ts';
import { compile } from '../../src/compile/index.ts';

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

describe('rules of kube-proxy', () => {
  test('are five a service', () => {
    const rules = kubeRules(300)
      .split('\n')
      .filter((line) => line.startsWith('-A'));
    expect(rules.length).toBe(7 + 300 * 5);
  });

  test('count the same by every way', async () => {
    // Enough jumps to be searched; some services are asked again and again.
    const { job, capture } = kubeWorkload(600, 200, 150);
    const results = [];
    for (const start of [ENGINE, LINEAR, REFERENCE]) {
      const open = await start(job);
      const session = await open();
      replayBytes(session, capture);
      const { counters, evaluations } = session.result();
      results.push({ counters, evaluations });
    }
    expect(results[0]!.evaluations).toBeGreaterThan(200 * 50);
    expect(results[0]).toEqual(results[1]);
    expect(results[0]).toEqual(results[2]);
  });

  test('compile to what grows like the services, and no way down grows with them', () => {
    const [small, large] = [200, 2000].map((services) => compile(kubeWorkload(1, 1, services).job).statistics);
    expect(large!.fallbacks).toBe(0);
    expect(large!.worstLeaf).toBeLessThan(9);
    expect(large!.steps).toBeLessThan(11 * small!.steps);
    expect(large!.nodes).toBeLessThan(11 * small!.nodes);
    expect(large!.work).toBeLessThan(15 * small!.work);
    expect(large!.imageBytes).toBeLessThan(11 * small!.imageBytes);
  });
});

describe('recording', () => {
  const nothing: Results = {
    host: [],
    kinds: [],
    usual: [],
    stages: [],
    compile: [],
    clusters: [],
    connections: [],
    bundled: [],
    classification: [],
    odd: [],
    processes: [],
    rules: [],
  };
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
