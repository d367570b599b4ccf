/** What the guest is told to do: a job as steps, and steps as the bytes guest/main.c reads. */
import { DEFAULT_SYSCTLS } from '../../model/profile.ts';
import { KernelError, type KernelFrame } from '../job.ts';
import { NETFILTER_BUS, RULES_REQUEST } from '../netlink.ts';
import * as plan from '../plan.ts';
import { INJECT_PRIORITY, WIRE } from '../scripts.ts';
import type { Machine } from './kernels.ts';
import * as marks from './legacy-marks.ts';
import type { PlacedJob } from './virtual-job.ts';

/** What an answer is for: the guest's answers to `run`, `frames` and `sleep` come back in the order of these. */
export type Asked =
  | 'must'
  | 'restore'
  | 'numbers'
  | 'frames'
  | 'time'
  | 'conntrack'
  | 'afterwards'
  | 'expect'
  | 'save'
  | 'saveOther'
  | 'log'
  | 'begin';

/** Nanoseconds. */
const SHORTLY = 5_000_000n;

interface Step {
  kind: 'W' | 'M' | 'R' | 'N' | 'Q' | 'O' | 'F' | 'S';
  payload: Buffer;
  /** Of steps that answer. */
  asked?: Asked;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const item = (content: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(content);
  return Buffer.concat([u32(bytes.length), bytes]);
};

/** A command that has to succeed, unless it restores rules: that refuses, and the job is at its end. */
function run(asked: Asked, argv: readonly string[], input: string | Uint8Array = ''): Step {
  return { kind: 'R', asked, payload: Buffer.concat([Buffer.from([1]), item(input), ...argv.map(item)]) };
}

type Files = readonly (readonly [path: string, content: string])[];

function write(files: Files, kind: 'W' | 'M' = 'W'): Step {
  return { kind, payload: Buffer.concat(files.flat().map(item)) };
}

/** One value for all namespaces. */
const isMachines = ([path]: readonly [string, string]): boolean => /\/nf_conntrack_(max|buckets|expect_max)$/.test(path);
const machines = (job: PlacedJob): [path: string, content: string][] => plan.jobSysctls(job).filter(isMachines);
const usual = (path: string): string => String(DEFAULT_SYSCTLS[path.replace(/^.*\//, '')] ?? 0);

/** What keeps time from when it was made is made as the first packet comes. */
const untilFirst = (job: PlacedJob): Step => ({ ...sleep((job.frames[0]?.time ?? 0n) - SHORTLY), asked: 'begin' });

/** Their timeouts run from the first packet on. */
const makeSets = (job: PlacedJob, sets: string): Step[] => [untilFirst(job), run('must', ['ipset', 'restore'], sets)];

/** The ticks of its estimators are counted from there. */
const estimates = ({ rules, rulesOther = '' }: PlacedJob): boolean => / -j RATEEST /.test(rules + rulesOther);

function sleep(until: bigint): Step {
  const payload = Buffer.alloc(8);
  payload.writeBigUInt64LE(until);
  return { kind: 'S', asked: 'time', payload };
}

/** The wire's devices speak no IPv6: their neighbour and multicast chatter would be counted. */
function makeWire(): Step {
  const silent = ['all', 'default'].flatMap((which) => [`/proc/sys/net/ipv6/conf/${which}/disable_ipv6`, '1']);
  return { kind: 'N', payload: Buffer.concat([WIRE, ...silent].map(item)) };
}

function openInjector(job: PlacedJob, devices: plan.Devices): Step {
  const head = Buffer.alloc(5);
  head.writeUInt8(job.trace ? 1 : 0, 0);
  head.writeUInt32LE(INJECT_PRIORITY, 1);
  const groups = plan.groupList(job, devices).split(',').filter(Boolean);
  const group = (text: string) => {
    const [device, address = ''] = text.split(':');
    return Buffer.concat([Buffer.from([Number(device), address.length / 2]), Buffer.from(address, 'hex')]);
  };
  const parts = [head, u32(devices.all.length), ...devices.all.map(item), u32(groups.length), ...groups.map(group)];
  return { kind: 'O', payload: Buffer.concat(parts) };
}

function frames(job: PlacedJob, devices: plan.Devices, some: readonly KernelFrame[]): Step {
  // Counted from 0: the guest wants the time itself.
  return { kind: 'F', asked: 'frames', payload: Buffer.concat(some.map((frame) => plan.encodeFrame(job, devices, frame, 0n))) };
}

function prepare(job: PlacedJob, machine: Machine, devices: plan.Devices): Step[] {
  const own = machine.backends.includes('nft');
  const namesConntrack = Object.keys(job.sysctls ?? {}).some((name) => name.includes('nf_conntrack'));
  return [
    ...(own ? [run('must', ['nft', '-f', '-'], plan.ownTable(job.trace))] : []),
    write(plan.baseSysctls(job)),
    makeWire(),
    run('must', ['ip', '-batch', '-'], plan.ipBatch(job, devices)),
    // Asking for the (empty) table loads conntrack's sysctls.
    ...(namesConntrack ? [run('must', ['conntrack', '-L'])] : []),
    write(plan.jobSysctls(job).filter((file) => !isMachines(file))),
    write(machines(job), 'M'),
    ...(job.sets === undefined ? [] : makeSets(job, job.sets)),
    ...(job.beforehand ?? []).map(({ argv, input }) => run('must', argv, input)),
  ];
}

function load(job: PlacedJob, machine: Machine): Step[] {
  const { backend, family } = job;
  const steps = estimates(job) ? [untilFirst(job)] : [];
  steps.push(run('restore', [plan.iptables(backend, family, 'restore')], job.rules));
  const other = plan.otherFamily(family);
  if (job.rulesOther !== undefined) steps.push(run('restore', [plan.iptables(backend, other, 'restore')], job.rulesOther));
  if (!machine.backends.includes('nft')) {
    for (const each of plan.familiesOf(job)) {
      steps.push(run('must', [plan.iptables('legacy', each, 'restore'), '--noflush'], marks.ownRules(job.trace)));
    }
  }
  if (job.trace && backend === 'nft')
    steps.push({ kind: 'Q', asked: 'numbers', payload: Buffer.concat([u32(NETFILTER_BUS), RULES_REQUEST]) });
  return steps;
}

/** A look at the connections (and at what else is wanted), with the time before and after it. */
function look(job: PlacedJob, moment: bigint, afterwards: NonNullable<PlacedJob['afterwards']>): Step[] {
  const list = plan
    .familiesOf(job)
    .map((family) => run('conntrack', ['conntrack', '-L', '-o', 'extended', '-f', `ipv${family}`]));
  return [sleep(moment), ...list, ...afterwards.map((argv) => run('afterwards', argv)), sleep(0n)];
}

/** Frames up to each checkpoint and the look at the connections then; the last checkpoint is the job's end. */
function play(job: PlacedJob, devices: plan.Devices): Step[] {
  const steps: Step[] = [];
  let from = 0;
  for (const moment of [...job.checkpoints, job.end]) {
    let to = from;
    while (to < job.frames.length && (job.frames[to]?.time ?? 0n) <= moment) to++;
    if (to > from) steps.push(frames(job, devices, job.frames.slice(from, to)));
    steps.push(...look(job, moment, moment === job.end ? (job.afterwards ?? []) : []));
    from = to;
  }
  return steps;
}

const assignsHelpers = ({ rules, rulesOther = '' }: PlacedJob): boolean => /--helper/.test(rules + rulesOther);

/** All steps of a job; the first of a boot loads the kernel's modules. */
export function stepsOf(job: PlacedJob, machine: Machine, first: boolean): Step[] {
  const devices = plan.devicesOf(job);
  if (job.proxies !== undefined || job.localMark !== undefined)
    throw new KernelError('kernels on a virtual clock have no sockets for TPROXY, and no routes by mark');
  const loggers: [string, string][] = (job.trace ? [2, 10] : []).map((family) => [
    `/proc/sys/net/netfilter/nf_log/${family}`,
    'nfnetlink_log',
  ]);
  const other = plan.otherFamily(job.family);
  const modules = [...(first ? machine.modules : []), ...(assignsHelpers(job) ? machine.helperModules : [])];
  return [
    ...(modules.length > 0 ? [run('must', ['/sbin/modprobe', '-d', '/run/modules', '-a', ...modules])] : []),
    ...prepare(job, machine, devices),
    ...load(job, machine),
    openInjector(job, devices),
    write(loggers),
    ...(job.log === true ? [run('must', ['dmesg', '-S', '--clear'])] : []),
    ...play(job, devices),
    ...(job.log === true ? [run('log', ['dmesg', '-S', '--raw'])] : []),
    // Only connections with a helper expect others.
    ...(assignsHelpers(job)
      ? plan.familiesOf(job).map((family) => run('expect', ['conntrack', '-L', 'expect', '-f', `ipv${family}`]))
      : []),
    // The next job has the usual ones again.
    write(
      machines(job).map(([path]) => [path, usual(path)]),
      'M',
    ),
    run('save', [plan.iptables(job.backend, job.family, 'save'), '-c']),
    ...(job.rulesOther === undefined ? [] : [run('saveOther', [plan.iptables(job.backend, other, 'save'), '-c'])]),
  ];
}

/** The plan of one boot. */
export function planFile(jobs: readonly Step[][]): Uint8Array {
  return Buffer.concat(
    jobs.map((steps) =>
      item(Buffer.concat(steps.flatMap(({ kind, payload }) => [Buffer.from(kind, 'latin1'), u32(payload.length), payload]))),
    ),
  );
}
