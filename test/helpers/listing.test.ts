/** Connections with a helper, and what they expect, as `conntrack -L` and `conntrack -L expect` list them. */

import { expect, it } from 'vitest';
import { hashKeyOf } from '../../src/fuzz/hash-key.ts';
import { expectationDifferences } from '../../src/fuzz/listing.ts';
import { parseExpectations } from '../../src/kernel/conntrack.ts';
import { type KernelOutcome, runKernel } from '../../src/kernel/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import { conntrackLine, expectationLine } from '../../src/report/conntrack.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { describeKernel } from '../kernel/machine.ts';
import { stampedCapture } from '../kernel/stamped.ts';
import { udp } from '../reference/build.ts';
import { FORWARDING, frameOf } from '../reference/replay.ts';
import { Conversation, call } from './conversation.ts';

const RULES = `*raw
-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp --zone 3
-A PREROUTING -p tcp -m tcp --sport 21 -j CT --zone 3
-A PREROUTING -p udp -m udp --dport 69 -j CT --helper tftp
-A PREROUTING -p udp -m udp --dport 5060 -j CT --helper sip
COMMIT
`;
const ENDS = { 4: ['10.0.0.1', '10.1.0.2'], 6: ['2001:db8::1', '2001:db8:1::2'] } as const;

function ask(packets: readonly Uint8Array[], family: Family = 4): Promise<KernelOutcome> {
  const frames = packets.map((bytes) => ({ time: 0n, bytes, direction: 'in' as const }));
  return runKernel({ backend: 'legacy', family, rules: RULES, topology: 'forward', trace: false, frames });
}

/** Expectations of all kinds: of a port or an address, permanent, inactive, of two classes, in a zone. */
function everything(family: Family): Uint8Array[] {
  const [client, server] = ENDS[family];
  const kind = family === 4 ? '1' : '2';
  const talk = new Conversation(`${client} 2000`, `${server} 21`).open().say('server', '220 ok\r\n').say('client', 'NOOP\r\n');
  talk.say('client', `EPRT |${kind}|${client}|1029|\r\n`);
  const other = new Conversation(`${client} 2001`, `${server} 21`).open().say('server', '220 ok\r\n').say('client', 'EPSV\r\n');
  other.say('server', '229 Entering Extended Passive Mode (|||5121|)\r\n');
  const own = family === 4 ? client : `[${client}]`;
  const register = `REGISTER sip:x SIP/2.0\r\nCSeq: 1 REGISTER\r\nContact: <sip:x@${own}:5070>;expires=60\r\nContent-Length: 0\r\n\r\n`;
  const media = `v=0\r\ns=-\r\nc=IN IP${family} ${client}\r\nm=audio 5120 RTP/AVP 0\r\n`;
  const invite = `INVITE sip:y SIP/2.0\r\nCSeq: 1 INVITE\r\nContent-Length: ${media.length}\r\n\r\n${media}`;
  return [
    ...talk.packets,
    ...other.packets,
    udp(`${client} 2002`, `${server} 69`, { data: '\0\x01file\0octet\0' }),
    udp(`${client} 2003`, `${server} 5060`, { data: register }),
    udp(`${client} 2003`, `${server} 5060`, { data: invite }),
  ];
}

describeKernel('lists', () => {
  it('the line of a connection with a helper and a zone is the tool’s', async () => {
    const talk = new Conversation('10.0.0.1 2000', '10.1.0.2 21').open();
    const { conntrack, entries } = await ask([...talk.packets, ...call('10.0.0.1 1', '10.1.0.2 2')]);
    const lines = conntrack
      .trim()
      .split('\n')
      .map((line) => line.trim().replace(/use=\d+/, 'use=1'));
    expect(entries.map(conntrackLine)).toEqual(lines);
    expect(lines.join('\n')).toContain('helper=ftp');
  });

  it.each([4, 6] as const)('what is expected (IPv%i), of both witnesses', async (family) => {
    const packets = everything(family);
    const outcome = await ask(packets, family);
    expect(outcome.expectations.map(({ helper, flags, class: kind }) => [helper, kind, ...flags].join(' ')).sort()).toEqual([
      'ftp 0',
      'ftp 0',
      'sip 0 PERMANENT INACTIVE',
      'sip 1',
      'sip 1',
      'tftp 0',
    ]);
    const hz = outcome.kernel.hz || DEFAULT_PROFILE.hz;
    const rules = { [family]: parseSave(RULES, { file: 'rules', family }) };
    const job = { rules, host: buildHost(FORWARDING), profile: { ...DEFAULT_PROFILE, hz } };
    const frames = packets.map((bytes, i) => ({ ...frameOf(bytes), time: outcome.packets[i]!.injected }));
    const engines = [
      await engineSession(job, { hashKey: hashKeyOf(job) }),
      await engineSession(job, { build: 'debug', hashKey: hashKeyOf(job) }),
    ];
    for (const session of [referenceSession(job), ...engines]) {
      session.startCapture('frames');
      session.feed(stampedCapture(frames));
      session.endCapture();
      expect(session.expectations(outcome.listed.from)).toHaveLength(6);
      expect(expectationDifferences({ ...outcome, ...outcome.listed, hz }, session)).toEqual([]);
      const later = [1n, 31n, 301n].map((seconds) => session.expectations(outcome.listed.to + seconds * 1_000_000_000n));
      // The second time the connection of tftp is over, and what it expects goes with it.
      expect(later.map(({ length }) => length)).toEqual([6, 5, 0]);
    }
  });
});

it.each([
  [
    '179 proto=17 src=10.1.0.2 dst=10.0.0.1 sport=0 dport=5070 mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.0.0.1 master-dst=10.1.0.2 sport=2001 dport=5060 PERMANENT,INACTIVE class=0 helper=sip',
  ],
  [
    '299 proto=47 src=10.0.0.1 dst=10.1.0.2 srckey=0x1111 dstkey=0x2222 mask-src=255.255.255.255 mask-dst=255.255.255.255 srckey=0xffff dstkey=0xffff master-src=10.0.0.1 master-dst=10.1.0.2 sport=2000 dport=1723 class=0 helper=pptp',
  ],
])('a line is printed as it was read: %s', (line) => {
  expect(parseExpectations(line).map(expectationLine)).toEqual([line]);
});
