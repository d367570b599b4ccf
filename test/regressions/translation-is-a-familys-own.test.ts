/**
 * Rules of IPv4 translate, those of IPv6 do not: what the capture says of IPv6 packets that went out is true. The engine looked for copies of what was sent on in both families, and took the
 * host's own error, about a packet of which another's error was sent on right before, for one. (The packets of a-nat-table-without-rules-translates-nothing, which the kernel judged.)
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readFolder } from '../../src/fuzz/folder.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { WITNESSES } from './witnesses.ts';

const folder = join(dirname(fileURLToPath(import.meta.url)), 'a-nat-table-without-rules-translates-nothing');
const TRANSLATING =
  '*nat\n:PREROUTING ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 80\nCOMMIT\n';
// A second table: ways of one walk are short, and never looked at.
const PLAIN = '*raw\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n*filter\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n';

describe('packets of a family that is not translated', () => {
  for (const [name, start] of WITNESSES) {
    it(`went out as the capture has them: ${name}`, async () => {
      const outcomes: PacketOutcome[] = [];
      const rules = {
        4: parseSave(TRANSLATING, { file: 'rules.v4', family: 4 }),
        6: parseSave(PLAIN, { file: 'rules.v6', family: 6 }),
      };
      const host = buildHost(readFolder(folder).about.host);
      const job = { rules, host, profile: DEFAULT_PROFILE, packets: { path: false } };
      const session = await start(job, (outcome) => outcomes.push(outcome));
      session.startCapture('capture');
      session.feed(readFileSync(join(folder, 'capture.pcap')));
      session.endCapture();
      expect(outcomes.map(({ hook, verdict }) => `${hook} ${verdict}`)).toEqual(['FORWARD ACCEPT', 'OUTPUT ACCEPT']);
    });
  }
});
