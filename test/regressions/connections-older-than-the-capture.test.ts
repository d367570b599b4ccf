/** Connections that were open before the capture began were NEW without a word (found by a newcomer): each is counted once, whatever its sides send, and what begins with a SYN is none. */
import { describe, expect, it } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { buildReport } from '../../src/report/report.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { tcp } from '../reference/build.ts';
import { WITNESSES } from './witnesses.ts';

const RULES =
  '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate NEW\nCOMMIT\n';
const [HOST, OTHER] = ['10.0.0.2', '10.0.0.9'];
const from = (sport: number, flags: number) => tcp(`${OTHER} ${sport}`, `${HOST} 80`, flags);
const back = (dport: number, flags: number) => tcp(`${HOST} 80`, `${OTHER} ${dport}`, flags);
const [SYN, ACK] = [2, 16];

describe.each(WITNESSES)('%s', (_, start) => {
  it.each([
    [1, /^2 packets without SYN began TCP connections, as of such that were open before the capture began: NEW here/],
    [0, undefined],
  ] as const)('nf_conntrack_tcp_loose=%i', async (loose, wanted) => {
    const rules = { 4: parseSave(RULES, { file: 'older', family: 4 as const }) };
    const host = buildHost({ local: [HOST], in: 'eth0' });
    const profile = { ...DEFAULT_PROFILE, sysctls: { nf_conntrack_tcp_loose: loose } };
    const session = await start({ rules, host, profile });
    session.startCapture('older');
    const packets = [
      from(1, ACK),
      back(1, ACK),
      from(1, ACK),
      back(2, ACK),
      from(2, ACK),
      from(3, SYN),
      back(3, SYN | ACK),
      from(3, ACK),
    ];
    session.feed(
      writePcap(
        packets.map((bytes, i) => ({ time: 1_700_000_000_000_000_000n + BigInt(i), bytes })),
        101,
      ),
    );
    session.endCapture();
    const { notes } = buildReport({ rules, host, profile, result: session.result() });
    if (wanted === undefined) expect(notes).toEqual([]);
    else expect(notes).toEqual([expect.stringMatching(wanted)]);
  });
});
