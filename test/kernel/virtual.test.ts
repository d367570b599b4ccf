/** The virtual-clock kernels as an oracle: times are kept, jobs do not see each other, bad input is refused, nothing of the machine is touched. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { LostRecords } from '../../src/kernel/records.ts';
import { readAnswers } from '../../src/kernel/virtual/answers.ts';
import { awayFromTicks, runVirtual, type VirtualJob } from '../../src/kernel/virtual/index.ts';
import { schedule } from '../../src/kernel/virtual/schedule.ts';
import type { TableCounters } from '../../src/model/outcome.ts';
import { buildOracle } from './built.ts';
import { descendants, describeVirtual, expectUntouched, networkOf, until } from './machine.ts';
import { ping, SYN, tcp, udp } from './packets.ts';

const SECOND = 1_000_000_000n;
const NOW = 1_700_000_000n * SECOND;

const RULES = [
  '*mangle\n:PREROUTING ACCEPT\n:FORWARD ACCEPT\n-A PREROUTING -p udp -j MARK --set-mark 7\nCOMMIT',
  '*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n:web - [0:0]',
  '-A FORWARD -m conntrack --ctstate ESTABLISHED\n-A FORWARD -p tcp -j web\n-A FORWARD -p udp -m limit --limit 3/s --limit-burst 2 -j ACCEPT\n-A FORWARD -p icmp -j REJECT',
  '-A web -p tcp --dport 80 -j ACCEPT\nCOMMIT\n',
].join('\n');

function job(more: Partial<VirtualJob> = {}): VirtualJob {
  return { backend: 'legacy', family: 4, rules: RULES, topology: 'forward', trace: true, frames: [], ...more };
}

const arriving = (time: bigint, bytes: Uint8Array) => ({ time, bytes, direction: 'in' as const });

/** A datagram every 123 ms or so, for a minute. */
const DATAGRAMS = Array.from({ length: 500 }, (_, i) =>
  arriving(NOW + 5_000_000n + BigInt(i) * 123_456_789n, udp(`10.0.0.${i % 7} 100`, '192.0.2.1 53')),
);

describe('moments on a virtual clock', () => {
  const clock = { hz: 100, margin: 10_000n, step: 1000n };
  const tick = 10_000_000n;

  test('what is far from ticks stays, what is near goes behind them', () => {
    const times = [NOW + 20_000n, NOW + tick - 5000n, NOW + tick + 3n, NOW + 5n * tick, NOW + 6n * tick + 10_000n];
    const moved = [
      NOW + 20_000n,
      NOW + tick + 10_000n,
      NOW + tick + 11_000n,
      NOW + 5n * tick + 10_000n,
      NOW + 6n * tick + 10_000n,
    ];
    expect(awayFromTicks(times, clock)).toEqual(moved);
  });

  test('a crowd is spread, and never across a tick unnoticed', () => {
    const times = awayFromTicks(new Array(20_000).fill(NOW + 1_000_000n), clock);
    expect(times[1]! - times[0]!).toBe(1000n);
    expect(times.every((time) => time % tick >= 10_000n && time % tick <= tick - 10_000n)).toBe(true);
  });

  test('jobs come one after the other, each moved by whole seconds', () => {
    const { start, shifts } = schedule([
      { first: NOW + 7n, last: NOW + 90n * SECOND },
      { first: NOW, last: NOW + 5n },
      { first: 3n * NOW, last: 3n * NOW },
    ]);
    expect(start).toBe(NOW - 1010n * SECOND);
    expect(shifts).toEqual([0n, 101n * SECOND, NOW + 112n * SECOND - 3n * NOW]);
  });
});

test('answers that do not come to the end of the plan prove nothing', () => {
  const answer = (job: number, kind: string) => Buffer.from([job, 0, 0, 0, kind.charCodeAt(0), 0, 0, 0, 0]);
  const whole = Buffer.concat([answer(0, 'E'), answer(1, 'E'), answer(2, 'Z')]);
  expect(readAnswers(whole, 2).map((told) => told.map(({ kind }) => kind))).toEqual([['E'], ['E']]);
  for (let end = 0; end < whole.length; end++) {
    expect(() => readAnswers(whole.subarray(0, end), 2), `${end} bytes`).toThrow(LostRecords);
  }
  expect(() => readAnswers(whole, 3)).toThrow(LostRecords);
});

describeVirtual('6.1', 'oracle', () => {
  test('one boot judges many jobs, each on its own: counters, ways, times, connections', { timeout: 60_000 }, async () => {
    const tcpAndPing = [arriving(NOW, tcp('10.0.0.1 5', '192.0.2.1 80', SYN)), arriving(NOW + 1n, ping('10.0.0.1', '192.0.2.1'))];
    const outcomes = await runVirtual('6.1', [
      job({ frames: DATAGRAMS }),
      job({ frames: DATAGRAMS, trace: false }),
      job({ rules: '*filter\n-A FORWARD -p tcp --dport nonsense\nCOMMIT\n', frames: DATAGRAMS }),
      job({ frames: tcpAndPing, checkpoints: [NOW + 119n * SECOND], end: NOW + 121n * SECOND }),
    ]);
    const [traced, plain, refused, mixed] = outcomes;
    // A minute at 3/s, and the burst.
    expect(traced?.counters.filter?.FORWARD?.rules[2]?.packets).toBe(186);
    expect(traced?.counters.mangle?.PREROUTING?.rules).toEqual([{ packets: 500, bytes: 500 * 32 }]);
    expect(Object.keys(traced?.counters ?? {}).sort()).toEqual(['filter', 'mangle']);
    expect(plain?.counters).toEqual(traced?.counters);
    expect(traced?.kernel).toMatchObject({ release: expect.stringMatching(/^6\.1\.\d+$/), hz: 100 });
    expect(traced?.packets[0]).toMatchObject({
      path: [
        'mangle:PREROUTING:rule:1',
        'mangle:PREROUTING:policy:2',
        'mangle:FORWARD:policy:1',
        'filter:FORWARD:rule:3',
        'mangle:POSTROUTING:policy:1',
      ],
      hook: 'FORWARD',
      verdict: 'ACCEPT',
      entered: true,
    });
    expect(traced?.packets.map(({ left }) => left.length)).toEqual(plain?.packets.map(({ left }) => left.length));
    expect(traced?.packets.filter(({ verdict }) => verdict === 'ACCEPT').length).toBe(186);
    for (const [i, { injected }] of (plain?.packets ?? []).entries()) {
      const late = injected - DATAGRAMS[i]!.time - (plain?.shift ?? 0n);
      expect(late >= 0n && late < 2000n, `packet ${i} is ${late} ns late`).toBe(true);
    }
    expect(refused?.refused?.stderr).toContain('nonsense');
    expect(mixed?.packets.map(({ verdict }) => verdict)).toEqual(['ACCEPT', 'REJECT']);
    expect(mixed?.packets[0]?.path).toContain('filter:web:rule:1');
    expect(mixed?.looks[0]?.conntrack).toMatch(/^ipv4 +2 tcp +6 1 SYN_SENT src=10\.0\.0\.1 /m);
    expect(mixed?.conntrack).toBe('');
  });

  test('several boots at a time give outcomes in the order of the jobs', { timeout: 60_000 }, async () => {
    const jobs = [1, 2, 3].map((count) => job({ frames: DATAGRAMS.slice(0, count), trace: false }));
    const outcomes = await runVirtual('6.1', jobs, { jobsPerBoot: 1, parallel: 2 });
    expect(outcomes.map(({ counters }) => counters.mangle?.PREROUTING?.packets)).toEqual([1, 2, 3]);
    expect(outcomes.map(({ shift }) => shift)).toEqual([0n, 0n, 0n]);
  });

  test('what it cannot do is said, not tried', async () => {
    await expect(runVirtual('6.1', [job({ backend: 'nft' })])).rejects.toThrow(/6\.1 has no nft backend/);
    await expect(runVirtual('6.1', [job({ inIface: '-batch' })])).rejects.toThrow(/not a device name/);
    await expect(runVirtual('6.1', [job({ frames: DATAGRAMS })], { limit: 300 })).rejects.toThrow(/time limit of 300 ms/);
  });

  test('everything dies with this process, also by SIGKILL in the middle', { timeout: 60_000 }, async () => {
    const own = readlinkSync('/proc/self/ns/net');
    const built = buildOracle();
    try {
      // A month of idling: surely still running.
      const frames = [DATAGRAMS[0]!, { ...DATAGRAMS[1]!, time: NOW + 30n * 86_400n * SECOND }];
      const child = spawn(process.execPath, [built.virtualScript(job({ frames }))], { stdio: 'ignore', cwd: process.cwd() });
      const inside = await until(() => {
        const below = descendants(child.pid ?? 0);
        // The kernel's own processes, none in this network.
        return below.length >= 4 && below.every((pid) => networkOf(pid) !== own) ? below : undefined;
      }, 30_000);
      expect(inside).toBeDefined();
      child.kill('SIGKILL');
      const ended = await until(() => ((inside ?? []).every((pid) => networkOf(pid) === undefined) ? true : undefined), 10_000);
      expect(ended).toBe(true);
    } finally {
      built.remove();
    }
  });

  test.skipIf(process.getuid?.() !== 0)('it works without root', { timeout: 60_000 }, () => {
    const built = buildOracle();
    try {
      const script = built.virtualScript(job({ frames: DATAGRAMS.slice(0, 1) }));
      const cache = join(built.folder, 'cache');
      mkdirSync(cache, { mode: 0o777 });
      chmodSync(cache, 0o777);
      const argv = ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath, script];
      const ran = spawnSync('setpriv', argv, {
        encoding: 'utf8',
        timeout: 60_000,
        env: { ...process.env, XDG_CACHE_HOME: cache },
      });
      expect(ran.stderr).toBe('');
      const told = JSON.parse(ran.stdout) as { counters: TableCounters };
      expect(told.counters.mangle?.PREROUTING?.rules).toEqual([{ packets: 1, bytes: 32 }]);
    } finally {
      built.remove();
    }
  });

  test('nothing is left of it and nothing was touched', { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'wasmtables-'));
    vi.stubEnv('TMPDIR', folder);
    try {
      await expectUntouched(async () => {
        await runVirtual('6.1', [job({ frames: DATAGRAMS.slice(0, 3) })]);
      });
      expect([descendants(process.pid).length, readdirSync(folder)]).toEqual([0, []]);
    } finally {
      vi.unstubAllEnvs();
      rmSync(folder, { recursive: true });
    }
  });
});
