/** From the witnesses a run is given to the panels that judge: programs among each other, each kernel beside the programs, or kernel against kernel. */
import { available } from '../kernel/index.ts';
import { machineOf, type VirtualKernel, virtualAvailable } from '../kernel/virtual/index.ts';
import type { CaseOptions } from './case.ts';
import type { Panel } from './judge.ts';
import { type Kernel, runningKernel, virtualKernel } from './kernels.ts';
import { ReachMeter } from './reach.ts';
import { PROGRAMS, type Witness } from './witness.ts';

/** One panel, and the cases that are for it. */
export interface Lane {
  /** Its witnesses' names, as --against takes them. */
  name: string;
  programs: readonly string[];
  kernels: readonly string[];
  options: CaseOptions;
  /** Cases of one seed. */
  batch: number;
}

export interface LaneOptions {
  packets?: number;
  family?: 4 | 6;
  only?: readonly string[];
}

/** What is wanted and not to be had, and why. */
export class WitnessMissing extends Error {
  override readonly name = 'WitnessMissing';
}

const VERSIONS: readonly VirtualKernel[] = ['6.1', '6.12'];
const RUNNING = ['legacy', 'nft'] as const;

/** Kernels on a virtual clock, by name. */
const VIRTUAL: ReadonlyMap<string, { version: VirtualKernel; backend: 'legacy' | 'nft' }> = new Map(
  VERSIONS.flatMap((version) =>
    machineOf(version).backends.map((backend) => [`virtual-${version}-${backend}`, { version, backend }] as const),
  ),
);

/** Every name --against takes. */
export const WITNESS_NAMES: readonly string[] = [...Object.keys(PROGRAMS), ...RUNNING, 'virtual', ...VIRTUAL.keys()];

const PACKETS: Record<CaseOptions['judge'], number> = { software: 60, kernel: 50, virtual: 60 };
/** A kernel's batch goes to a bench, or into one boot. */
const BATCH: Record<CaseOptions['judge'], number> = { software: 20, kernel: 25, virtual: 60 };
/** So large a case is a batch of its own. */
const LARGE = 2000;

/** `virtual` is every such kernel that is here; at least one must be. */
function expand(names: readonly string[]): string[] {
  return names.flatMap((name) => {
    if (name !== 'virtual') return [name];
    const here = VERSIONS.filter((version) => virtualAvailable(version).ok);
    if (here.length > 0) return [...VIRTUAL.keys()].filter((each) => here.includes(VIRTUAL.get(each)!.version));
    const reasons = VERSIONS.map(virtualAvailable).map((can) => (can.ok ? '' : can.reason));
    throw new WitnessMissing(`virtual: ${reasons.join('; ')}`);
  });
}

/** The lanes of a run. Throws WitnessMissing for a kernel that cannot be asked here. `names` are of WITNESS_NAMES. */
export function lanesOf(names: readonly string[], given: LaneOptions): Lane[] {
  const wanted = expand([...new Set(names)]);
  const programs = wanted.filter((name) => PROGRAMS[name] !== undefined);
  const kernels = wanted.filter((name) => PROGRAMS[name] === undefined);
  for (const name of kernels) demand(name);
  const lanes: Lane[] = [];
  // A program alone is held against itself.
  if (programs.length > 1 || (programs.length === 1 && kernels.length === 0))
    lanes.push(lane(programs, [], { judge: 'software' }, given));
  if (programs.length > 0) for (const name of kernels) lanes.push(lane(programs, [name], about(name), given));
  else if (kernels.length > 1)
    lanes.push(lane([], kernels, { judge: kernels.some((name) => VIRTUAL.has(name)) ? 'virtual' : 'kernel' }, given));
  return lanes;
}

function demand(name: string): void {
  const virtual = VIRTUAL.get(name);
  const can = virtual === undefined ? available() : virtualAvailable(virtual.version);
  if (!can.ok) throw new WitnessMissing(`${name}: ${can.reason}`);
}

type About = Pick<CaseOptions, 'judge' | 'backend' | 'kernel' | 'lacks'>;

function about(name: string): About {
  const virtual = VIRTUAL.get(name);
  if (virtual === undefined) return { judge: 'kernel', backend: name === 'nft' ? 'nft' : 'legacy' };
  const { version, backend } = virtual;
  const { hz, lacks } = machineOf(version);
  return { judge: 'virtual', backend, kernel: { kernel: version, hz }, ...(lacks !== undefined && { lacks }) };
}

function lane(programs: readonly string[], kernels: readonly string[], judge: About, given: LaneOptions): Lane {
  const options: CaseOptions = { packets: PACKETS[judge.judge], ...judge, ...given };
  const batch = options.packets >= LARGE ? 1 : BATCH[judge.judge];
  return { name: [...programs, ...kernels].join(','), programs, kernels, options, batch };
}

/** A lane at work. `meter` measures the first program, when that is the reference. */
export interface OpenLane {
  panel: Panel;
  meter: ReachMeter;
  close(): Promise<void>;
}

export function openLane({ programs, kernels }: Lane): OpenLane {
  const meter = new ReachMeter();
  const witnesses: Witness[] = programs.map((name) => (name === 'reference' ? meter.witness : PROGRAMS[name]!));
  const judges: Kernel[] = kernels.map((name) => {
    const virtual = VIRTUAL.get(name);
    return virtual === undefined
      ? runningKernel(name === 'nft' ? 'nft' : 'legacy')
      : virtualKernel(virtual.version, virtual.backend);
  });
  return {
    panel: { programs: witnesses, kernels: judges, onRelation: meter.relation },
    meter,
    close: async () => {
      await Promise.all(judges.map((kernel) => kernel.close()));
    },
  };
}
