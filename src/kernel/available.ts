/** Can this machine judge? Which tools and rights it lacks, by name; and what kernel it is. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { gunzipSync } from 'node:zlib';
import type { KernelIdentity } from './job.ts';
import { namespaceArgv, PATH } from './session.ts';

export type Availability = { ok: true } | { ok: false; reason: string };

const TOOLS = [
  'iptables-legacy-restore',
  'iptables-legacy-save',
  'ip6tables-legacy-restore',
  'ip6tables-legacy-save',
  'iptables-nft-restore',
  'iptables-nft-save',
  'ip6tables-nft-restore',
  'ip6tables-nft-save',
  'nft',
  'ip',
  'conntrack',
  'perl',
  'unshare',
  'setpriv',
  'taskset',
  'mount',
];

/** Whether a program is on the PATH of everything the oracle runs. */
export function found(tool: string): boolean {
  return PATH.split(':').some((folder) => {
    try {
      accessSync(`${folder}/${tool}`, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function examine(): Availability {
  if (process.platform !== 'linux') return { ok: false, reason: `needs Linux, this is ${process.platform}` };
  const missing = TOOLS.filter((tool) => !found(tool));
  if (missing.length > 0) {
    return { ok: false, reason: `missing: ${missing.join(', ')} (Debian: iptables nftables iproute2 conntrack perl util-linux)` };
  }
  const [command = '', ...words] = namespaceArgv();
  const tried = spawnSync(command, [...words, 'true'], { timeout: 10_000, env: { PATH }, encoding: 'utf8' });
  if (tried.status === 0) return { ok: true };
  const why = (tried.stderr || tried.error?.message || `exit ${tried.status}`).trim();
  return { ok: false, reason: `no rights for namespaces (root or user namespaces): ${why}` };
}

let known: Availability | undefined;

/** Whether runKernel can work here; looked up once. The reason names each missing tool, or the right that is missing. */
export function available(): Availability {
  known ??= examine();
  return known;
}

function configuredHz(): number {
  const readers = [
    () => gunzipSync(readFileSync('/proc/config.gz')).toString('latin1'),
    () => readFileSync(`/boot/config-${release()}`, 'latin1'),
  ];
  for (const read of readers) {
    try {
      const hz = /^CONFIG_HZ=(\d+)$/m.exec(read())?.[1];
      if (hz !== undefined) return Number(hz);
    } catch {
      // Not every kernel shows its configuration; the next place may.
    }
  }
  return 0;
}

let hz: number | undefined;
const versions = new Map<string, string>();

/** Release, HZ and iptables version of this machine; `command` is `iptables-legacy` or the like. */
export function kernelIdentity(command: string): KernelIdentity {
  hz ??= configuredHz();
  let iptables = versions.get(command);
  if (iptables === undefined) {
    const asked = spawnSync(command, ['--version'], { timeout: 10_000, env: { PATH }, encoding: 'utf8' });
    iptables = (asked.stdout ?? '').trim();
    versions.set(command, iptables);
  }
  return { release: release(), hz, iptables };
}
