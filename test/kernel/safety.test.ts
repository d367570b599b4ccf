/** The oracle and the machine it runs on: nothing stays, nothing is touched, bad input is refused. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { available, KernelError, type KernelJob, openKernelBench, runKernel } from '../../src/kernel/index.ts';
import { AGENT } from '../../src/kernel/scripts.ts';
import { openSession, PATH } from '../../src/kernel/session.ts';
import type { TableCounters } from '../../src/model/outcome.ts';
import { buildOracle } from './built.ts';
import { descendants, describeKernel, expectUntouched, networkOf, until } from './machine.ts';
import { ping, SYN, tcp } from './packets.ts';

const RULES = '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD -m conntrack --ctstate NEW\nCOMMIT\n';

function job(more: Partial<KernelJob> = {}): KernelJob {
  const frames = [{ time: 0n, bytes: ping('192.0.2.1', '198.51.100.2'), direction: 'in' as const }];
  return { backend: 'legacy', family: 4, rules: RULES, topology: 'forward', trace: true, frames, ...more };
}

/** Two frames half a minute apart: a job that is surely still running when it is killed. */
function longJob(): KernelJob {
  const bytes = tcp('192.0.2.1 1', '198.51.100.2 2', SYN);
  const frames = [0n, 30_000_000_000n].map((time) => ({ time, bytes, direction: 'in' as const }));
  return job({ frames, spacing: 'real' });
}

describeKernel('kernel oracle: safety', () => {
  test('the agent refuses to work in the namespace it was started in', () => {
    const own = readlinkSync('/proc/self/ns/net');
    for (const argv of [
      [own, ''],
      ['', own],
      ['', ''],
    ]) {
      const ran = spawnSync('perl', ['-e', AGENT, ...argv], { env: { PATH }, encoding: 'utf8', timeout: 10_000 });
      expect([ran.status, ran.stderr, ran.stdout]).toEqual([97, 'oracle: refusing to run outside a namespace of its own\n', '']);
    }
  });

  test('the machine is the same before and after, and while a bench is kept', async () => {
    await runKernel(job());
    const bench = openKernelBench();
    await expectUntouched(async () => {
      for (const backend of ['legacy', 'nft'] as const) {
        const more: Partial<KernelJob> = { rulesOther: RULES, topology: 'host', local: ['10.1.2.3/24'] };
        const outcome = await bench.judge(job({ backend, sysctls: { 'net.ipv4.ip_default_ttl': '9' }, ...more }));
        expect(outcome.counters.filter?.FORWARD?.rules[0]?.packets).toBe(1);
      }
    });
    await expectUntouched(() => bench.close());
    expect(descendants(process.pid).filter((pid) => networkOf(pid) !== readlinkSync('/proc/self/ns/net'))).toEqual([]);
  });

  test('everything dies with this process, also by SIGKILL in the middle', async () => {
    const built = buildOracle();
    const own = readlinkSync('/proc/self/ns/net');
    try {
      const path = built.script(job(), job({ backend: 'nft' }), longJob());
      await expectUntouched(async () => {
        const child = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'inherit'] });
        let told = '';
        child.stdout.on('data', (chunk: Buffer) => {
          told += chunk.toString('utf8');
        });
        // The bench has judged two jobs and is in the middle of the third.
        const ready = await until(() => (told.split('\n').length === 3 ? true : undefined), 20_000);
        expect(ready).toBe(true);
        const inside = await until(() => {
          const below = descendants(child.pid ?? 0);
          // A child is in its parent's network for a moment.
          return below.length >= 2 && below.every((pid) => networkOf(pid) !== own) ? below : undefined;
        }, 20_000);
        expect(inside).toBeDefined();
        child.kill('SIGKILL');
        const ended = await until(() => ((inside ?? []).every((pid) => networkOf(pid) === undefined) ? true : undefined), 10_000);
        expect(ended).toBe(true);
      });
    } finally {
      built.remove();
    }
  });

  test.skipIf(process.getuid?.() !== 0)('it works without root, in a user namespace', () => {
    const built = buildOracle();
    try {
      for (const backend of ['legacy', 'nft'] as const) {
        const script = built.script(job({ backend }));
        const argv = ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath, script];
        const ran = spawnSync('setpriv', argv, { encoding: 'utf8', timeout: 30_000 });
        expect(ran.stderr).toBe('');
        const told = JSON.parse(ran.stdout) as { counters: TableCounters; paths: string[][] };
        expect(told.counters.filter?.FORWARD?.rules).toEqual([{ packets: 1, bytes: 28 }]);
        expect(told.paths).toEqual([['filter:FORWARD:rule:1', 'filter:FORWARD:policy:2']]);
      }
    } finally {
      built.remove();
    }
  });

  test('a time limit ends the job and everything it started', async () => {
    const before = new Set(descendants(process.pid));
    await expect(runKernel({ ...longJob(), timeout: 1500 })).rejects.toThrow(/time limit of 1500 ms/);
    const left = await until(() => (descendants(process.pid).every((pid) => before.has(pid)) ? true : undefined), 5000);
    expect(left).toBe(true);
  });

  test('commands are not run by a shell, and their failure is an error with its text', async () => {
    const session = await openSession();
    try {
      const told = await session.must(['printf', '%s', '$(id) `id` ; rm -rf /nonexistent']);
      expect(told).toBe('$(id) `id` ; rm -rf /nonexistent');
      const big = 'x'.repeat(3_000_000);
      expect(await session.must(['cat'], big)).toBe(big);
      await expect(session.must(['ip', 'link', 'show', 'nosuch'])).rejects.toThrow(/nosuch/);
      await expect(session.must(['no-such-command'])).rejects.toThrow(/exit 127/);
      await expect(session.write([['/proc/sys/net/nosuch', '1']])).rejects.toThrow(/nosuch/);
      expect(await session.must(['readlink', '/proc/self/ns/net'])).not.toContain(readlinkSync('/proc/self/ns/net'));
    } finally {
      await session.close();
    }
    await expect(session.run(['true'])).rejects.toThrow(KernelError);
  });

  test.each(['legacy', 'nft'] as const)('%s: refused rules are an answer, not an error', async (backend) => {
    const outcome = await runKernel(job({ backend, rules: '*filter\n-A FORWARD -p tcp --dport nonsense -j ACCEPT\nCOMMIT\n' }));
    expect(outcome.refused?.exit).toBeGreaterThan(0);
    expect(outcome.refused?.stderr).toContain('nonsense');
    expect(outcome.packets).toEqual([]);
  });

  test('names that are none are refused before anything runs', async () => {
    await expect(runKernel(job({ inIface: '-batch' }))).rejects.toThrow(/not a device name/);
    await expect(runKernel(job({ outIface: 'a b' }))).rejects.toThrow(/not a device name/);
    await expect(runKernel(job({ sysctls: { 'kernel.hostname': 'x' } }))).rejects.toThrow(/not a sysctl/);
    await expect(runKernel(job({ sysctls: { 'net/../kernel/hostname': 'x' } }))).rejects.toThrow(/not a sysctl/);
    await expect(runKernel(job({ local: ['1.2.3.4 dev eth1'] }))).rejects.toThrow(/not an address/);
    await expect(runKernel(job({ routes: ['default;\nlink del eth0'] }))).rejects.toThrow(/not a route/);
  });

  test('packets a raw socket cannot send are named, and the rest goes on', async () => {
    const whole = ping('198.51.100.2', '192.0.2.1');
    const out = [whole.subarray(0, 10), whole.subarray(0, 24), whole].map((bytes) => ({
      time: 0n,
      bytes,
      direction: 'out' as const,
    }));
    const outcome = await runKernel(job({ frames: out, topology: 'host', local: ['198.51.100.2'] }));
    expect(outcome.packets.map((packet) => packet.unsent?.split(':')[0])).toEqual([
      'shorter than an IP header',
      'truncated',
      undefined,
    ]);
    expect(outcome.counters.filter?.OUTPUT?.packets).toBe(1);
  });

  test('jobs at the same time do not see each other', async () => {
    const outcomes = await Promise.all([1, 2, 3].map((n) => runKernel(job({ frames: new Array(n).fill(job().frames[0]) }))));
    expect(outcomes.map((outcome) => outcome.counters.filter?.FORWARD?.packets)).toEqual([1, 2, 3]);
  });

  test('the machine says what it is', async () => {
    expect(available()).toEqual({ ok: true });
    const { kernel } = await runKernel(job());
    expect(kernel.release).toBe(execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim());
    expect([0, 100, 250, 300, 1000]).toContain(kernel.hz);
  });
});
