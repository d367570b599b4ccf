/**
 * `cluster` takes a packet with a multicast MAC for one to this host. Such a packet that is dropped before routing is routed again to tell where it would have gone. The engine lost why it was dropped
 * with that: the table of connections was full. No kernel tells such a reason. Found by the fuzzer, seed 990023.
 */
import { describe, expect, it } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { join, udp } from '../reference/build.ts';
import { WITNESSES } from './witnesses.ts';

const LINKTYPE_ETHERNET = 1;
/** To a group of Ethernet. */
const LINK = [1, 0, 0x5e, 0, 0, 1, 2, 0, 0, 0, 0, 0x99, 0x86, 0xdd];
const RULES = '*raw\n-A PREROUTING -m cluster --cluster-local-node 1 --cluster-total-nodes 2 --cluster-hash-seed 5\nCOMMIT\n';

describe('a packet that finds the table full says so', () => {
  for (const [witness, start] of WITNESSES) {
    it(witness, async () => {
      const seen: PacketOutcome[] = [];
      const job = {
        rules: { 6: parseSave(RULES, { file: 'rules.v6', family: 6 as const }) },
        host: buildHost({ forward: true, in: 'eth0', out: 'eth1' }),
        packets: { path: false },
        profile: { ...DEFAULT_PROFILE, sysctls: { ...DEFAULT_PROFILE.sysctls, nf_conntrack_max: 1 } },
      };
      const session = await start(job, (outcome) => seen.push({ ...outcome }));
      session.startCapture('full');
      const frames = [1000, 1001].map((port, i) => ({
        time: 1_700_000_000_000_000_000n + BigInt(i) * 1_000_000n,
        bytes: join(LINK, udp(`2001:db8::1 ${port}`, '2001:db8:1::1 80')),
      }));
      session.feed(writePcap(frames, LINKTYPE_ETHERNET));
      session.endCapture();
      expect(seen.map(({ verdict }) => verdict)).toEqual(['ACCEPT', 'STACK']);
      expect(seen[1]).toMatchObject({ reason: 'nf_conntrack: table full' });
    });
  }
});
