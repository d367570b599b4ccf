/**
 * A forwarded packet's header checksum follows its TTL (ip_decrease_ttl), and a sum of all ones becomes zero: the reference left it. Seen in what LOG shows. And a broadcast's
 * copy has no link header where it leaves: only a packet with an in-device shows one (dump_mac_header).
 */
import { describe, expect, it } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { WITNESSES } from './witnesses.ts';

const LINKTYPE_RAW = 101;

const CASES = [
  {
    name: 'a forwarded packet whose checksum is all ones but for the hop',
    host: buildHost({ forward: true, in: 'eth0', out: 'eth1' }),
    chain: 'FORWARD',
    packet: '4500002467c500004001feff0a0900030a0900001100eeca003500000000000000000000',
    logged: [{ bytes: '4500002467c500003f0100000a0900030a0900001100eeca003500000000000000000000', linkHeader: null }],
  },
  {
    name: 'a broadcast, its copy ahead of it',
    host: buildHost({ local: ['10.9.0.1'], in: 'eth0' }),
    chain: 'POSTROUTING',
    packet: '4500001c0001000040117ac30a090001ffffffff0044004300080000',
    logged: [
      { bytes: '4500001c0001000040117ac30a090001ffffffff0044004300080000', linkHeader: null },
      { bytes: '4500001c0001000040117ac30a090001ffffffff0044004300080000', linkHeader: null },
    ],
  },
];

describe('what LOG is shown', () => {
  for (const { name, host, chain, packet, logged } of CASES) {
    for (const [witness, start] of WITNESSES) {
      it(`${name}: ${witness}`, async () => {
        const rules = `*mangle\n:PREROUTING ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A ${chain} -j LOG\nCOMMIT\n`;
        const seen: PacketOutcome['logged'][] = [];
        const job = {
          rules: { 4: parseSave(rules, { file: 'log', family: 4 as const }) },
          host,
          profile: DEFAULT_PROFILE,
          packets: { path: false, logs: true },
        };
        const session = await start(job, (outcome) => seen.push(outcome.logged));
        session.startCapture('log');
        const bytes = new Uint8Array(Buffer.from(packet, 'hex'));
        session.feed(writePcap([{ time: 1_700_000_000_000_000_000n, bytes }], LINKTYPE_RAW));
        session.endCapture();
        const shown = seen[0]?.map(({ bytes: shownBytes, linkHeader }) => ({
          bytes: Buffer.from(shownBytes).toString('hex'),
          linkHeader,
        }));
        expect(shown).toEqual(logged);
      });
    }
  }
});
