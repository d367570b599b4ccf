/** What the oracle's tests need of the machine: skip with a reason, the host's state, processes and their children. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { found } from '../../src/kernel/available.ts';
import { type Availability, available } from '../../src/kernel/index.ts';
import { PATH } from '../../src/kernel/session.ts';
import { type VirtualKernel, virtualAvailable } from '../../src/kernel/virtual/index.ts';

function describeWhere(can: Availability, needed: boolean, name: string, body: () => void): void {
  if (can.ok) describe(name, body);
  else if (needed && process.env.CI === 'true') {
    test(name, () => {
      throw new Error(`CI must have the kernel oracle: ${can.reason}`);
    });
  } else {
    console.warn(`skipped: ${name}: ${can.reason}`);
    describe.skip(`${name} (${can.reason})`, body);
  }
}

/** A group of tests that needs the running kernel: skipped with the reason in its name; with CI=true a failure instead. */
export function describeKernel(name: string, body: () => void): void {
  describeWhere(available(), true, name, body);
}

/** A group of tests that needs a virtual-clock kernel, and perhaps a tool. Debian's must be there with CI=true; the other one takes long to build and is skipped with the reason in its name. */
export function describeVirtual(kernel: VirtualKernel, name: string, body: () => void, tool?: string): void {
  const can = virtualAvailable(kernel);
  const has: Availability = tool === undefined || found(tool) ? can : { ok: false, reason: `missing: ${tool} (Debian: ${tool})` };
  describeWhere(can.ok ? has : can, kernel === '6.1', `${name}, virtual ${kernel}`, body);
}

function output(command: string, ...argv: string[]): string {
  const ran = spawnSync(command, argv, { env: { PATH }, encoding: 'utf8', timeout: 20_000 });
  return `${command} ${argv.join(' ')}\n${ran.status === 0 ? ran.stdout : 'not available'}`;
}

/** Sysctls that move by themselves, or that another user of this machine moves. */
const RESTLESS = /nf_conntrack_count|tcp_mem|udp_mem|tcp_fastopen_key|random|\.neigh\./;

/** Firewall, links, addresses, routes, mounts and network sysctls of the machine itself. */
export function hostState(): string {
  const sysctls = execFileSync('sysctl', ['-a', '--pattern', '^net\\.'], {
    env: { PATH },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return [
    ...['iptables-legacy-save', 'ip6tables-legacy-save'].map((save) => output(save).replace(/^#.*$/gm, '')),
    output('nft', 'list', 'ruleset'),
    output('ip', '-j', 'link'),
    output('ip', '-j', 'addr').replace(/"(valid|preferred)_life_time":\d+/g, ''),
    output('ip', 'route', 'show', 'table', 'all'),
    output('ip', 'netns', 'list'),
    readFileSync('/proc/self/mounts', 'utf8'),
    sysctls
      .split('\n')
      .filter((line) => !RESTLESS.test(line))
      .join('\n'),
  ].join('\n');
}

/** The machine is shared: another user may change it meanwhile, so a difference counts only when it shows three times. */
export async function expectUntouched(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const before = hostState();
    await work();
    const after = hostState();
    if (before === after) return;
    if (attempt === 3) expect(after).toBe(before);
  }
}

/** Process ids below `root`, children's children too. */
export function descendants(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      // The process ended while we looked.
    }
  }
  const all: number[] = [];
  for (let next = children.get(root) ?? []; next.length > 0; next = next.flatMap((pid) => children.get(pid) ?? []))
    all.push(...next);
  return all;
}

/** Network namespace of a process, or undefined when it is gone. */
export function networkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

/** Waits until `what` gives something, at most `limit` milliseconds. */
export async function until<T>(what: () => T | undefined, limit: number): Promise<T | undefined> {
  const end = Date.now() + limit;
  for (;;) {
    const got = what();
    if (got !== undefined || Date.now() > end) return got;
    await new Promise((done) => setTimeout(done, 20));
  }
}
