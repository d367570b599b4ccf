/** One job in a session: load the rules into the running kernel, inject packets, read back what it did. */
import { kernelIdentity } from './available.ts';
import { parseConntrack, parseExpectations } from './conntrack.ts';
import type { KernelJob, KernelOutcome } from './job.ts';
import { NETFILTER_BUS, RULES_REQUEST } from './netlink.ts';
import { type OwnAnswers, ownAnswers } from './own-answers.ts';
import * as plan from './plan.ts';
import { collect, type RawPacket, tracedPackets } from './records.ts';
import { parseSaved } from './saved.ts';
import type { Session } from './session.ts';
import { ruleNumbers } from './trace.ts';

/** What is done to new namespaces before the rules are loaded. */
async function prepare(session: Session, job: KernelJob, devices: plan.Devices, answers: readonly OwnAnswers[]): Promise<void> {
  // All planning comes before the first request: what it refuses must leave no request behind.
  const [links, before, later] = [plan.ipBatch(job, devices), plan.baseSysctls(job), plan.jobSysctls(job)];
  await Promise.all([
    session.renew(timeLimit(job)),
    session.write(before),
    session.together([
      [['ip', '-batch', '-'], links],
      [['nft', '-f', '-'], plan.ownTable(job.trace, answers)],
      ...plan.policyRules(job, answers.length > 0).map((argv) => [argv] as const),
    ]),
    session.plug(devices.all.map((_, i) => `wire${i}`)),
    // Asking for the (empty) table loads conntrack's sysctls where they are a module.
    later.some(([path]) => path.includes('nf_conntrack')) ? session.must(['conntrack', '-L']) : undefined,
    session.write(later),
    job.sets === undefined ? undefined : session.must(['ipset', 'restore'], job.sets),
    ...(job.beforehand ?? []).map(({ argv, input = '' }) => session.must(argv, input)),
  ]);
}

/** Loads the rules; the refusal when iptables-restore does not take them. */
async function load(session: Session, job: KernelJob): Promise<KernelOutcome['refused']> {
  const texts = [job.rules, job.rulesOther ?? ''];
  const loads = plan.familiesOf(job).map((family, i) => session.run([plan.iptables(job.backend, family, 'restore')], texts[i]));
  const failed = (await Promise.all(loads)).find(({ exit }) => exit !== 0);
  return failed && { exit: failed.exit, stderr: failed.stderr };
}

async function inject(
  session: Session,
  job: KernelJob,
  devices: plan.Devices,
  answers: readonly OwnAnswers[],
): Promise<RawPacket[]> {
  const origin = job.frames[0]?.time ?? 0n;
  const frames = Buffer.concat(job.frames.map((frame) => plan.encodeFrame(job, devices, frame, origin)));
  const flags = [job.trace, job.spacing === 'real'].map((flag) => (flag ? '1' : '0'));
  return collect(
    job,
    await session.inject([
      devices.all.join(','),
      ...flags,
      plan.groupList(job, devices),
      plan.socketList(job),
      answerList(answers),
      frames,
    ]),
  );
}

/** Frames that may be the kernel's own answers, as the injector reads them: those that look the same with commas, others with blanks between. */
const answerList = (answers: readonly OwnAnswers[]): string => answers.map(({ frames }) => frames.join(',')).join(' ');

const COUNT = '/proc/sys/net/netfilter/nf_conntrack_count';

/** What is read back when all packets are through. */
type Listed = Pick<KernelOutcome, 'conntrack' | 'entries' | 'expectations' | 'listed' | 'afterwards'> & { saved: string[] };

/**
 * The counters of every family, and the connections as conntrack tells them. Listing these walks the hash table of the whole machine (10 ms of 262,144
 * buckets), so it is left out where the namespace has none; expectations belong to connections with a helper.
 */
async function list(session: Session, job: KernelJob): Promise<Listed> {
  const families = plan.familiesOf(job);
  const none = Number(await session.read(COUNT)) === 0;
  const save = families.map((family) => [[plan.iptables(job.backend, family, 'save'), '-c']] as const);
  const entries = (...words: string[]) =>
    families.map((family) => [['conntrack', '-L', ...words, '-f', `ipv${family}`]] as const);
  const after = (job.afterwards ?? []).map((argv) => [argv] as const);
  const [from, texts, to] = await Promise.all([
    session.time(),
    session.together([...save, ...after, ...(none ? [] : entries('-o', 'extended'))]),
    session.time(),
  ]);
  const afterwards = texts.slice(save.length, save.length + after.length);
  const conntrack = texts.slice(save.length + after.length).join('');
  const helps = /\bhelper=/.test(conntrack);
  const [expected, behind] = helps ? await Promise.all([session.together(entries('expect')), session.time()]) : [[], to];
  const data = { entries: parseConntrack(conntrack), expectations: parseExpectations(expected.join('')) };
  return { saved: texts.slice(0, save.length), conntrack, ...data, afterwards, listed: { from, to: behind } };
}

/** Judges a job in new namespaces of the session. Throws LostRecords (records.ts) when the run proves nothing, KernelError when the oracle cannot work. */
export async function judge(session: Session, job: KernelJob, devices: plan.Devices): Promise<KernelOutcome> {
  const answers = ownAnswers(job, (frame) => plan.frameFamily(job, frame));
  const [, refused] = await Promise.all([prepare(session, job, devices, answers), load(session, job)]);
  const kernel = kernelIdentity(plan.iptables(job.backend, job.family, ''));
  if (refused !== undefined) {
    const { saved: _, ...lists } = await list(session, job);
    return { counters: {}, saved: '', packets: [], ...lists, refused, kernel };
  }
  const wanted = job.trace && job.backend === 'nft';
  const [dump, raw, { saved, ...lists }] = await Promise.all([
    wanted ? session.dump(NETFILTER_BUS, RULES_REQUEST) : undefined,
    inject(session, job, devices, answers),
    list(session, job),
  ]);
  const [text = '', textOther] = saved;
  const main = parseSaved(text);
  const other = textOther === undefined ? undefined : parseSaved(textOther);
  const packets = tracedPackets(job, raw, main, other, dump && ruleNumbers(dump));
  const outcome: KernelOutcome = { counters: main.counters, saved: text, packets, ...lists, kernel };
  return other === undefined ? outcome : { ...outcome, savedOther: textOther ?? '', countersOther: other.counters };
}

function timeLimit(job: KernelJob): number {
  if (job.timeout !== undefined) return job.timeout;
  const first = job.frames[0]?.time ?? 0n;
  const last = job.frames.at(-1)?.time ?? first;
  return 60_000 + (job.spacing === 'real' && last > first ? Number((last - first) / 1_000_000n) : 0);
}
