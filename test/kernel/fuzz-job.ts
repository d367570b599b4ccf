/** A random case as a job for the kernel. */
import type { FuzzCase } from '../../src/fuzz/case.ts';
import { LOCAL } from '../../src/fuzz/pools.ts';
import type { KernelJob } from '../../src/kernel/index.ts';

/** The job of asking the kernel, packet by packet, what it does with a case made `forKernel`. */
export function jobOfCase({ family, traffic, profile, rules, packets }: FuzzCase): KernelJob {
  return {
    backend: profile.backend,
    family,
    rules,
    topology: traffic.topology,
    trace: true,
    inIface: 'eth0',
    ...(traffic.topology === 'forward' ? { outIface: 'eth1' } : { local: [LOCAL[family]] }),
    frames: packets.map(({ time, bytes, direction, kind, sourceMac }) => ({
      time,
      bytes,
      direction,
      dstMacKind: kind,
      srcMac: sourceMac,
      family,
    })),
  };
}
