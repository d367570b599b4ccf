/** The kernels that have a virtual clock: where they come from, what they can do, and how they are started. */

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Availability, available, found } from '../available.ts';
import { cacheFolder, compilerMissing, helper } from './helpers.ts';

export type VirtualKernel = '6.1' | '6.12';

/** What a boot needs to know of its kernel. */
export interface Machine {
  kernel: VirtualKernel;
  /** CONFIG_HZ. */
  hz: number;
  /** `uname -r`. */
  release(): string;
  backends: readonly ('legacy' | 'nft')[];
  /** Nanoseconds from a tick within which it is not sure on which side a moment falls. */
  margin: bigint;
  /** Nanoseconds a packet may take: looking at the clock moves Debian's. */
  step: bigint;
  /** Rules it does not take, for its kernel was built without what they need. */
  lacks?: RegExp;
  /** What the kernel must load before the first job; none where everything is built in. */
  modules: readonly string[];
  /** Those of helpers whose connections are translated; none where they are built in. Rules load the helpers alone. */
  helperModules: readonly string[];
  /** Its file, the words it needs for its clock to show `start` (nanoseconds since the epoch, a whole second), and its environment. */
  command(start: bigint): { file: string; words: string[]; env: Record<string, string> };
}

const DEBIAN_KERNEL = '/usr/bin/linux.uml';
const DEBIAN_MODULES = '/usr/lib/uml/modules';

/**
 * Debian's package user-mode-linux. Its clock comes from outside (guest/clock.c). Loops that measure time by burning it would never end: the delay loop is given (lpj), the
 * others are left out. nf_tables is there for bridges only, so: legacy.
 */
const DEBIAN: Machine = {
  kernel: '6.1',
  hz: 100,
  release: () => readdirSync(DEBIAN_MODULES)[0] ?? '',
  backends: ['legacy'],
  // CONFIG_NF_CONNTRACK_ZONES.
  lacks: / --zone(-orig|-reply)? /,
  margin: 10_000n,
  step: 1_000n,
  modules: ['ipv6', 'veth', 'af_packet'],
  helperModules: ['ftp', 'tftp', 'irc', 'amanda', 'sip', 'pptp', 'snmp_basic', 'h323'].map((name) => `nf_nat_${name}`),
  command: (start) => ({
    file: DEBIAN_KERNEL,
    words: [
      'lpj=5000000',
      'initcall_blacklist=raid6_select_algo,calibrate_xor_blocks,jent_mod_init,crypto_xor_init',
      `WASMTABLES_MODULES=${DEBIAN_MODULES}`,
      'log_buf_len=1M',
    ],
    env: { WASMTABLES_START: String(start), LD_PRELOAD: helper('clock') },
  }),
};

const CONFIGURATION = fileURLToPath(new URL('../../../scripts/virtual-kernel-6.12.config', import.meta.url));
const BUILT_HZ = 250;

/** The newest kernel that scripts/setup-virtual-kernel-6.12.sh built from this configuration; undefined when there is none. */
function builtKernel(): string | undefined {
  if (!existsSync(CONFIGURATION) || !existsSync(cacheFolder())) return undefined;
  const hash = createHash('sha256').update(readFileSync(CONFIGURATION)).digest('hex').slice(0, 12);
  const name = new RegExp(`^linux-6\\.12\\.(\\d+)-hz${BUILT_HZ}-${hash}$`);
  const patch = (file: string) => Number(name.exec(file)?.[1] ?? -1);
  const [newest] = readdirSync(cacheFolder())
    .filter((file) => patch(file) >= 0)
    .sort((a, b) => patch(b) - patch(a));
  return newest === undefined ? undefined : `${cacheFolder()}/${newest}`;
}

/** Built from Debian's sources with a clock of its own, everything built in. */
const BUILT: Machine = {
  kernel: '6.12',
  hz: BUILT_HZ,
  release: () => /linux-([\d.]+)-/.exec(builtKernel() ?? '')?.[1] ?? '',
  backends: ['legacy', 'nft'],
  margin: 5_000n,
  step: 0n,
  modules: [],
  helperModules: [],
  command: (start) => ({
    file: builtKernel() ?? '',
    words: ['time-travel=inf-cpu', `time-travel-start=${start}`, 'log_buf_len=1M'],
    env: {},
  }),
};

export function machineOf(kernel: VirtualKernel): Machine {
  return kernel === '6.1' ? DEBIAN : BUILT;
}

function missing(kernel: VirtualKernel): string | undefined {
  if (kernel === '6.12')
    return builtKernel() === undefined ? 'not built on this machine; npm run virtual-kernel builds it' : undefined;
  const there = existsSync(DEBIAN_KERNEL) && existsSync(DEBIAN_MODULES);
  if (!there) return 'missing: package user-mode-linux (scripts/setup-virtual-kernel.sh installs it)';
  return found('modprobe') ? undefined : 'missing: modprobe (Debian: kmod)';
}

/** Whether runVirtual can ask this kernel here; the reason names what is missing. */
export function virtualAvailable(kernel: VirtualKernel): Availability {
  if (process.platform === 'linux' && process.arch !== 'x64')
    return { ok: false, reason: `needs x86-64, this is ${process.arch}` };
  const can = available();
  if (!can.ok) return can;
  const reason = compilerMissing() ?? missing(kernel);
  return reason === undefined ? { ok: true } : { ok: false, reason: `kernel ${kernel}: ${reason}` };
}
