/** Connections with a helper, and what they expect, as `conntrack -L` and `conntrack -L expect` list them. */
import { expect, it } from 'vitest';
import { parseExpectations } from '../../src/kernel/conntrack.ts';
import { type KernelOutcome, runKernel } from '../../src/kernel/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { ConntrackExpectation, ConntrackTuple } from '../../src/model/outcome.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { conntrackLine, expectationLine } from '../../src/report/conntrack.ts';
import { judge } from '../kernel/differential.ts';
import { describeKernel, describeVirtual } from '../kernel/machine.ts';
import { differencesOf, judgeVirtual } from '../kernel/virtual-differential.ts';
import { WITNESSES } from '../kernel/witnesses.ts';
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
/** Debian's User-Mode Linux has no zones. */
const RULES_WITHOUT_ZONE = RULES.replace(/.*--sport 21.*\n/, '').replace(' --zone 3', '');
const ENDS = { 4: ['10.0.0.1', '10.1.0.2'], 6: ['2001:db8::1', '2001:db8:1::2'] } as const;

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
    const frames = [...talk.packets, ...call('10.0.0.1 1', '10.1.0.2 2')].map((bytes) => ({
      time: 0n,
      bytes,
      direction: 'in' as const,
    }));
    const { conntrack, entries } = await runKernel({
      backend: 'legacy',
      family: 4,
      rules: RULES,
      topology: 'forward',
      trace: false,
      frames,
    });
    const lines = conntrack
      .trim()
      .split('\n')
      .map((line) => line.trim().replace(/use=\d+/, 'use=1'));
    expect(entries.map(conntrackLine)).toEqual(lines);
    expect(lines.join('\n')).toContain('helper=ftp');
  });

  it.each([4, 6] as const)('what is expected (IPv%i), of all witnesses', async (family) => {
    const frames = everything(family).map((bytes) => frameOf(bytes));
    const given = { rules: { [family]: RULES }, host: buildHost(FORWARDING), frames, lists: true };
    const { outcome, found } = await judge('legacy', given, WITNESSES);
    for (const [witness, lines] of found) expect(lines, witness).toEqual([]);
    expect(outcome.expectations.map(({ helper, flags, class: kind }) => [helper, kind, ...flags].join(' ')).sort()).toEqual([
      'ftp 0',
      'ftp 0',
      'sip 0 PERMANENT INACTIVE',
      'sip 1',
      'sip 1',
      'tftp 0',
    ]);
  });
});

/** What the kernel expects of connections whose time is not over: others it keeps until the collector comes by (docs/kernel-differences.md). */
function living({ entries, expectations }: KernelOutcome): ConntrackExpectation[] {
  const ends = ({ source, destination }: ConntrackTuple): string =>
    JSON.stringify([source.address, source.port, destination.address, destination.port]);
  const masters = new Set(entries.map(({ original }) => ends(original)));
  return expectations.filter(({ master, timeout = 0 }) => timeout > 0 && masters.has(ends(master)));
}

describeVirtual('6.1', 'lists', () => {
  it.each([4, 6] as const)('what is expected (IPv%i), after seconds and minutes', { timeout: 180_000 }, async (family) => {
    const packets = everything(family).map((bytes, i) => {
      const { time } = frameOf(bytes, i);
      return { time, bytes };
    });
    const later = (seconds: bigint): bigint => packets.at(-1)!.time + seconds * 1_000_000_000n;
    const cases = [1n, 31n, 301n].map((seconds) => ({
      name: `after ${seconds} seconds`,
      family,
      rules: RULES_WITHOUT_ZONE,
      packets,
      end: later(seconds),
    }));
    const judged = await judgeVirtual('6.1', cases);
    expect(differencesOf(judged)).toEqual([]);
    // The second time the connection of tftp is over, and what it expects goes with it.
    expect(judged.map(({ outcome }) => living(outcome).length)).toEqual([6, 5, 0]);
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
