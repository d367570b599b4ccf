/** The oracle's one verb: load rules into the running kernel, inject packets, read back what it did. */
import type { Family } from '../model/ruleset.ts';
import { available, kernelIdentity } from './available.ts';
import { KernelError, type KernelJob, type KernelOutcome } from './job.ts';
import * as plan from './plan.ts';
import { processor } from './processor.ts';
import { collect, LostRecords, type RawPacket, tracedPackets } from './records.ts';
import { parseSaved } from './saved.ts';
import { INJECT_PRIORITY, INJECTOR, OPENER } from './scripts.ts';
import { openSession, type Session } from './session.ts';
import { ruleNumbers } from './trace.ts';

/** A run that lost records proves nothing; it is repeated this many times at most. */
const ATTEMPTS = 3;

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
    [plan.otherFamily(job.family), job.rulesOther],
  ];
  for (const [family, rules] of sets) {
    if (rules === undefined) continue;
    const { exit, stderr } = await session.run([plan.iptables(job.backend, family, 'restore')], rules);
    if (exit !== 0) return { exit, stderr };
  }
  return undefined;
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

async function judge(session: Session, job: KernelJob, devices: plan.Devices): Promise<KernelOutcome> {
  await prepare(session, job, devices);
  const kernel = kernelIdentity(plan.iptables(job.backend, job.family, ''));
  const refused = await load(session, job);
  if (refused !== undefined) return { counters: {}, saved: '', packets: [], conntrack: '', refused, kernel };
  const wanted = job.trace && job.backend === 'nft';
  const numbers = wanted ? ruleNumbers(await session.must(['nft', '-j', '-a', 'list', 'ruleset'])) : undefined;
  const raw = await inject(session, job, devices);
  const text = await session.must([plan.iptables(job.backend, job.family, 'save'), '-c']);
  const conntrack = await session.must(['conntrack', '-L', '-o', 'extended', '-f', job.family === 6 ? 'ipv6' : 'ipv4']);
  const saved = parseSaved(text);
  const outcome = { counters: saved.counters, saved: text, conntrack, kernel };
  if (job.rulesOther === undefined) return { ...outcome, packets: tracedPackets(job, raw, saved, undefined, numbers) };
  const savedOther = await session.must([plan.iptables(job.backend, plan.otherFamily(job.family), 'save'), '-c']);
  const other = parseSaved(savedOther);
  return { ...outcome, savedOther, countersOther: other.counters, packets: tracedPackets(job, raw, saved, other, numbers) };
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
