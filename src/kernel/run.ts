/** The oracle's one verb: load rules into the running kernel, inject packets, read back what it did. */
import { readFileSync } from 'node:fs';
import type { Family } from '../model/ruleset.ts';
import { available, kernelIdentity } from './available.ts';
import { KernelError, type KernelJob, type KernelOutcome, type KernelPacket } from './job.ts';
import * as plan from './plan.ts';
import { parseSaved, type Saved } from './saved.ts';
import { INJECT_PRIORITY, INJECTOR, OPENER } from './scripts.ts';
import { openSession, type Session } from './session.ts';
import { packetTrace, type RuleNumbers, ruleNumbers, tracedPacket } from './trace.ts';

/** A run that lost records proves nothing; it is repeated this many times at most. */
const ATTEMPTS = 3;

/** The injector lost trace records, or a frame did not arrive. */
class LostRecords extends KernelError {}

interface RawPacket extends KernelPacket {
  logs: Uint8Array[];
  traces: Uint8Array[];
}

function command(backend: KernelJob['backend'], family: Family, verb: 'restore' | 'save' | ''): string {
  return `ip${family === 6 ? '6' : ''}tables-${backend}${verb === '' ? '' : `-${verb}`}`;
}

function otherFamily(family: Family): Family {
  return family === 4 ? 6 : 4;
}

let turn = 0;

/** One of the processors this process may use; jobs take turns. */
function processor(): string {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  const all = list.split(',').flatMap((range) => {
    const [low = 0, high = low] = range.split('-').map(Number);
    return Array.from({ length: high - low + 1 }, (_, i) => low + i);
  });
  return String(all[turn++ % all.length] ?? 0);
}

async function prepare(session: Session, job: KernelJob, devices: plan.Devices): Promise<void> {
  await session.must(['nft', '-f', '-'], plan.ownTable(job.trace));
  await session.write(plan.baseSysctls(job));
  await session.must(['ip', 'netns', 'add', 'wire']);
  await session.must(['nsenter', '--net=/run/netns/wire', 'tee', ...plan.WIRE_SILENCE], '1');
  await session.must(['ip', '-batch', '-'], plan.ipBatch(job, devices));
  await session.must(['ip', '-n', 'wire', '-batch', '-'], plan.wireBatch(devices));
  // Asking for the (empty) table loads conntrack's sysctls where they are a module.
  if (Object.keys(job.sysctls ?? {}).some((name) => name.includes('nf_conntrack'))) await session.must(['conntrack', '-L']);
  await session.write([['/run/open.pl', OPENER], ['/run/inject.pl', INJECTOR], ...plan.jobSysctls(job)]);
}

/** Loads the rules; the refusal when iptables-restore does not take them. */
async function load(session: Session, job: KernelJob): Promise<KernelOutcome['refused']> {
  const sets: [Family, string | undefined][] = [
    [job.family, job.rules],
    [otherFamily(job.family), job.rulesOther],
  ];
  for (const [family, rules] of sets) {
    if (rules === undefined) continue;
    const { exit, stderr } = await session.run([command(job.backend, family, 'restore')], rules);
    if (exit !== 0) return { exit, stderr };
  }
  return undefined;
}

/** Splits the injector's output into what belongs to each frame. */
function collect(job: KernelJob, output: Uint8Array): RawPacket[] {
  const packets: RawPacket[] = job.frames.map(() => ({ left: [], injected: 0n, logs: [], traces: [] }));
  const view = Buffer.from(output.buffer, output.byteOffset, output.byteLength);
  const lost: string[] = [];
  for (let at = 0; at + 9 <= view.length; ) {
    const kind = view.readUInt8(at);
    const frame = view.readUInt32LE(at + 1);
    const end = at + 9 + view.readUInt32LE(at + 5);
    const bytes = output.subarray(at + 9, end);
    at = end;
    const packet = packets[frame];
    if (packet === undefined) continue;
    if (kind === 1) packet.logs.push(bytes);
    else if (kind === 2) packet.traces.push(bytes);
    else if (kind === 3) packet.left.push(bytes);
    else if (kind === 4) packet.injected = Buffer.from(bytes).readBigUInt64LE(0);
    else if (kind === 5) packet.unsent = Buffer.from(bytes).toString('utf8');
    else lost.push(`frame ${frame}: ${kind === 6 ? `${Buffer.from(bytes).toString('utf8')} overran` : 'did not arrive'}`);
  }
  if (lost.length > 0) throw new LostRecords(`records lost: ${lost.slice(0, 5).join('; ')}`);
  for (const [i, packet] of packets.entries()) {
    const frame = job.frames[i];
    if (frame?.direction !== 'out') continue;
    const reason = plan.cannotSend(frame.bytes, plan.frameFamily(job, frame));
    if (reason !== undefined) packet.unsent = reason;
  }
  return packets;
}

async function inject(session: Session, job: KernelJob, devices: plan.Devices): Promise<RawPacket[]> {
  const origin = job.frames[0]?.time ?? 0n;
  const frames = Buffer.concat(job.frames.map((frame) => plan.encodeFrame(job, devices, frame, origin)));
  const peers = devices.all.map((_, i) => `wire${i}`).join(',');
  const argv = ['taskset', '-c', processor(), 'nsenter', '--net=/run/netns/wire', 'perl', '/run/open.pl', peers];
  argv.push(
    devices.all.join(','),
    String(INJECT_PRIORITY),
    job.trace ? '1' : '0',
    job.spacing === 'real' ? '1' : '0',
    plan.groupList(job, devices),
  );
  const ran = await session.run(argv, frames);
  if (ran.exit !== 0) throw new KernelError(`injector: exit ${ran.exit}: ${ran.stderr.trim()}`);
  return collect(job, ran.stdout);
}

/** The traced half, read with the tables of the packet's own family. */
function finish(
  job: KernelJob,
  raw: RawPacket[],
  saved: Saved,
  other: Saved | undefined,
  numbers: RuleNumbers | undefined,
): KernelPacket[] {
  return raw.map(({ logs, traces, ...packet }, i) => {
    const frame = job.frames[i];
    if (!job.trace || frame === undefined) return packet;
    const own = plan.frameFamily(job, frame) === job.family ? saved : (other ?? saved);
    return { ...packet, ...tracedPacket(packetTrace(logs, traces, numbers), own) };
  });
}

async function judge(session: Session, job: KernelJob, devices: plan.Devices): Promise<KernelOutcome> {
  await prepare(session, job, devices);
  const kernel = kernelIdentity(command(job.backend, job.family, ''));
  const refused = await load(session, job);
  if (refused !== undefined) return { counters: {}, saved: '', packets: [], conntrack: '', refused, kernel };
  const wanted = job.trace && job.backend === 'nft';
  const numbers = wanted ? ruleNumbers(await session.must(['nft', '-j', '-a', 'list', 'ruleset'])) : undefined;
  const raw = await inject(session, job, devices);
  const text = await session.must([command(job.backend, job.family, 'save'), '-c']);
  const conntrack = await session.must(['conntrack', '-L', '-o', 'extended', '-f', job.family === 6 ? 'ipv6' : 'ipv4']);
  const saved = parseSaved(text);
  const outcome = { counters: saved.counters, saved: text, conntrack, kernel };
  if (job.rulesOther === undefined) return { ...outcome, packets: finish(job, raw, saved, undefined, numbers) };
  const savedOther = await session.must([command(job.backend, otherFamily(job.family), 'save'), '-c']);
  const other = parseSaved(savedOther);
  return { ...outcome, savedOther, countersOther: other.counters, packets: finish(job, raw, saved, other, numbers) };
}

function timeLimit(job: KernelJob): number {
  if (job.timeout !== undefined) return job.timeout;
  const first = job.frames[0]?.time ?? 0n;
  const last = job.frames.at(-1)?.time ?? first;
  return 60_000 + (job.spacing === 'real' && last > first ? Number((last - first) / 1_000_000n) : 0);
}

/**
 * Runs a job on the running kernel, in namespaces that exist for this call only; nothing of the machine's own network is touched.
 * Counters, path and bytes are the kernel's own words. Rules that iptables-restore refuses give `refused`.
 * Throws KernelError when the oracle cannot work: a missing tool or right, a time limit, records lost three times.
 */
export async function runKernel(job: KernelJob): Promise<KernelOutcome> {
  const can = available();
  if (!can.ok) throw new KernelError(can.reason);
  const devices = plan.devicesOf(job);
  for (let attempt = 1; ; attempt++) {
    const session = await openSession(timeLimit(job));
    try {
      return await judge(session, job, devices);
    } catch (error) {
      if (!(error instanceof LostRecords) || attempt >= ATTEMPTS) throw error;
    } finally {
      await session.close();
    }
  }
}
