/** IPv4 fragments for the host where no rule brings defragmentation: whole in front of INPUT. Stories, judged by the running kernel; what of the whole is whose. */
import { describe, expect, test } from 'vitest';
import { ethernetFrame, fillHeaderChecksum } from '../../src/fuzz/build-packet.ts';
import { rejection } from '../../src/fuzz/rejection.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Frame, Job } from '../../src/model/witness.ts';
import { explain } from '../../src/reference/index.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { differences } from '../kernel/differential.ts';
import { describeKernel } from '../kernel/machine.ts';
import { WITNESSES } from '../kernel/witnesses.ts';
import { type FragmentMore, fragment } from '../reference/fragments.ts';

const OWN = '192.0.2.1';
const OTHER_OWN = '198.51.100.1';
const PEER = '192.0.2.9';
const BROADCAST = '192.0.2.255';

const addresses = [
  { ifname: 'eth0', address: '02:00:00:00:00:01', addr_info: [{ family: 'inet', local: OWN, prefixlen: 24 }] },
  { ifname: 'eth1', address: '02:00:00:00:00:02', addr_info: [{ family: 'inet', local: OTHER_OWN, prefixlen: 24 }] },
];
const HOST = buildHost({ addresses, routes: [[{ dst: 'default', dev: 'eth1' }]] });

/** The fragments of senders with these MACs are marked, have another TTL, are dropped, before anything puts them together. */
const MARKED = '02:00:00:00:00:11';
const SLOW = '02:00:00:00:00:22';
const DROPPED = '02:00:00:00:00:33';
const PLAIN = '02:00:00:00:00:99';

const IN_INPUT = [
  ...['-f', '! -f', '-i eth0', '-i eth1', '-i lo'],
  ...['-p udp -m udp --dport 53', '-p udp -m udp --sport 7', '-m ttl --ttl-eq 33', '-m mark --mark 0x1'],
  ...['unicast', 'broadcast'].map((type) => `-m pkttype --pkt-type ${type}`),
  ...[MARKED, SLOW, PLAIN].map((mac) => `-m mac --mac-source ${mac}`),
  ...['0:99', '100:1499', '1500:65535'].map((length) => `-m length --length ${length}`),
  ...['0x01', '0x03'].map((tos) => `-m tos --tos ${tos}/0x03`),
];
const PROBES = IN_INPUT.map((match) => `-A INPUT ${match}`);

/** Says everything that can be told of a packet in INPUT, and tells fragments apart in PREROUTING. `end`: what becomes of whole UDP. */
const rules = (end: string): string => `*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -f
-A PREROUTING -m mac --mac-source ${DROPPED} -j DROP
-A OUTPUT -o lo -f
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -m mac --mac-source ${MARKED} -j MARK --set-xmark 0x1/0xffffffff
-A PREROUTING -m mac --mac-source ${SLOW} -j TTL --ttl-set 33
-A OUTPUT ! -f -j MARK --set-xmark 0x1/0xffffffff
-A INPUT -f
-A POSTROUTING -m mark --mark 0x1
COMMIT
*filter
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
${PROBES.join('\n')}
-A INPUT -p udp -m udp --dport 53 -j ${end}
COMMIT
`;

/** A UDP datagram to port 53 with `size` bytes of data. */
function datagram(size: number): Uint8Array {
  const bytes = new Uint8Array(8 + size);
  bytes.set([0, 7, 0, 53, bytes.length >> 8, bytes.length & 255]);
  return bytes;
}

interface More extends FragmentMore {
  mac?: string;
  device?: string;
  /** The frame was sent to everybody. */
  toAll?: boolean;
}

/** Bytes `from` to before `to` of a datagram, from one address to another. */
function piece(ends: readonly [string, string], data: Uint8Array, from: number, to: number, more: More = {}): Frame {
  const { mac = PLAIN, device = 'eth0', toAll = false, ...rest } = more;
  const own = ends[0] === OWN || ends[0] === OTHER_OWN;
  const packet = fragment(...ends, 17, data.subarray(from, to), from, { more: to < data.length, ...rest });
  const device1 = device === 'eth1' ? '02:00:00:00:00:02' : '02:00:00:00:00:01';
  const [target, source] = own ? [mac, device1] : [toAll ? 'ff:ff:ff:ff:ff:ff' : device1, mac];
  const bytes = ethernetFrame(target, source, 4, packet, false);
  return {
    time: 1_700_000_000_000_000_000n,
    linktype: 1,
    bytes,
    wire: bytes.length,
    interfaceName: device,
    direction: own ? 'out' : 'in',
  };
}

const IN = [PEER, OWN] as const;
const small = datagram(200);
const large = datagram(3000);
const one = (more: More = {}): Frame => piece(IN, small, 0, 80, more);
const two = (more: More = {}): Frame => piece(IN, small, 80, 160, more);
const three = (more: More = {}): Frame => piece(IN, small, 160, 208, more);
const [MARK, TTL, DROP] = [{ mac: MARKED }, { mac: SLOW }, { mac: DROPPED }];

/** What the last of each story is: a whole packet, or a fragment that waits or is thrown away. */
type End = 'whole' | 'kept' | 'discarded';

const STORIES: readonly [name: string, end: End, frames: readonly Frame[]][] = [
  ['in order', 'whole', [one(), two(), three()]],
  ['the last first', 'whole', [three(), two(), one()]],
  ['the first last', 'whole', [two(), three(), one(MARK)]],
  ['the mark of the first', 'whole', [one(MARK), two(), three()]],
  ['not that of the others', 'whole', [two(MARK), one(), three(MARK)]],
  ['the TTL of the first', 'whole', [three(), one(TTL), two()]],
  ['not that of the others, either', 'whole', [one(), two(TTL), three(TTL)]],
  ['the kind of packet of the first', 'whole', [two(), one({ toAll: true }), three()]],
  ['not that of the last', 'whole', [one(), two(), three({ toAll: true })]],
  ['the device of the last', 'whole', [one(), two(), three({ device: 'eth1' })]],
  ['not that of the first', 'whole', [one({ device: 'eth1' }), two(), three()]],
  ['more than two devices take at once', 'whole', [piece(IN, large, 0, 1480), piece(IN, large, 1480, large.length)]],
  ['a last one that never came', 'kept', [one(), two()]],
  ['a rule took one', 'kept', [one(), two(DROP), three()]],
  ['twice the same', 'discarded', [one(), one()]],
  ['twice the same, and the rest', 'whole', [one(), one(MARK), two(), three()]],
  ['two that overlap', 'discarded', [one(), piece(IN, small, 72, 160)]],
  ['after two that overlap all begins anew', 'kept', [one(), piece(IN, small, 72, 160), three(), two()]],
  ['two ends', 'discarded', [three(), piece(IN, small, 160, 200, { more: false })]],
  ['congestion on the way', 'whole', [one({ tos: 1 }), two({ tos: 3 }), three({ tos: 1 })]],
  ['one that knows nothing of congestion', 'discarded', [one({ tos: 1 }), two({ tos: 0 }), three({ tos: 1 })]],
  ['other ids are other packets', 'kept', [one(), two({ id: 8 }), three({ id: 9 })]],
  ['options of the first', 'whole', [two(), three(), one({ options: [1, 1, 1, 0] })]],
  ['options of another', 'whole', [one(), two({ options: [1, 1, 1, 0] }), three()]],
  [
    'too far apart',
    'kept',
    [one(), ...Array.from({ length: 70 }, (_, i) => piece([PEER, OTHER_OWN], small, 0, 80, { id: 100 + i })), two(), three()],
  ],
  ['longer than a packet can be', 'discarded', [one(), piece(IN, new Uint8Array(65600), 65520, 65535, { more: true }), three()]],
  ['over lo', 'whole', [0, 80, 160].map((at) => piece([OWN, OTHER_OWN], small, at, Math.min(at + 80, 208)))],
  ['over lo, turned round', 'whole', [160, 80, 0].map((at) => piece([OWN, OTHER_OWN], small, at, Math.min(at + 80, 208)))],
  ['an own broadcast', 'whole', [0, 80, 160].map((at) => piece([OWN, BROADCAST], small, at, Math.min(at + 80, 208)))],
  ['own broadcasts, turned round', 'whole', [160, 0, 80].map((at) => piece([OWN, BROADCAST], small, at, Math.min(at + 80, 208)))],
  ['a broadcast of another', 'whole', [0, 80, 160].map((at) => piece([PEER, BROADCAST], small, at, Math.min(at + 80, 208)))],
];

/** The frames of a story, with ids of its own: so that many stories can be told in one job. */
const told = (frames: readonly Frame[], story: number): Frame[] =>
  frames.map((frame) => {
    const bytes = Uint8Array.from(frame.bytes);
    const header = bytes.subarray(14, 14 + (bytes[14]! & 15) * 4);
    const view = new DataView(header.buffer, header.byteOffset);
    view.setUint16(4, view.getUint16(4) + 1000 * story);
    fillHeaderChecksum(header);
    return { ...frame, bytes };
  });

const ENDS = ['ACCEPT', 'REJECT --reject-with icmp-port-unreachable'] as const;

describeKernel('fragments for the host, and the kernel', () => {
  const frames = STORIES.flatMap(([, , each], story) => told(each, story));
  for (const backend of ['legacy', 'nft'] as const)
    test.each(ENDS)(`${backend}, %s`, { timeout: 120_000 }, async (end) => {
      const found = await differences(backend, { rules: { 4: rules(end) }, host: HOST, frames }, WITNESSES);
      for (const [witness, lines] of found) expect.soft(lines.slice(0, 6), witness).toEqual([]);
    });
});

const jobOf = (text: string): Job => ({
  rules: { 4: parseSave(text, { file: 'rules', family: 4 }) },
  host: HOST,
  profile: DEFAULT_PROFILE,
  packets: { path: true },
});

describe.each(WITNESSES)('$name', (witness) => {
  test('what becomes of the last of each story', async () => {
    const frames = STORIES.flatMap(([, , each], story) => told(each, story));
    const { outcomes, result } = await witness.replay(jobOf(rules('ACCEPT')), frames);
    const framesUntil = (story: number): number => STORIES.slice(0, story + 1).flatMap(([, , each]) => each).length;
    const ends = STORIES.map(([name], story) => {
      const { verdict, reason, hook, bytes } = outcomes[framesUntil(story) - 1]!;
      // What is sent meets OUTPUT, even where a copy of it is put together.
      if (verdict === 'ACCEPT') return [name, bytes > 200 || hook === 'OUTPUT' ? 'whole' : 'a part'];
      return [name, verdict, hook, reason];
    });
    expect(ends).toEqual(
      STORIES.map(([name, end]) =>
        end === 'whole' ? [name, end] : [name, 'STACK', 'INPUT', `fragment ${end} ${end === 'kept' ? 'for' : 'by'} reassembly`],
      ),
    );
    expect(result.notes.join()).not.toContain('fragment');
    const [parts, wholes] = result.counters[4]?.filter?.INPUT?.rules ?? [];
    expect([parts?.packets, wholes?.packets]).toEqual([0, STORIES.filter(([, end]) => end === 'whole').length]);
  });

  test('fragments that go through this host stay as they are', async () => {
    const frames = [0, 80, 160].map((at) => piece([PEER, '203.0.113.7'], small, at, Math.min(at + 80, 208)));
    const { outcomes } = await witness.replay(jobOf('*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n'), frames);
    expect(outcomes.map(({ hook, verdict, bytes }) => [hook, verdict, bytes])).toEqual(
      [100, 100, 68].map((bytes) => ['FORWARD', 'ACCEPT', bytes]),
    );
  });

  test('what a mark makes one for this host is put together, too', async () => {
    const host = buildHost({ addresses, routes: [[{ dst: 'default', dev: 'eth1' }]], localMark: '1' });
    const frames = [0, 80, 160].map((at) => piece([PEER, '203.0.113.7'], small, at, Math.min(at + 80, 208), MARK));
    const { outcomes } = await witness.replay({ ...jobOf(rules('ACCEPT')), host }, frames);
    expect(outcomes.map(({ hook, verdict, bytes }) => [hook, verdict, bytes])).toEqual([
      ['INPUT', 'STACK', 100],
      ['INPUT', 'STACK', 100],
      ['INPUT', 'ACCEPT', 228],
    ]);
  });
});

test('what REJECT answers is the last fragment of a packet', () => {
  const frames = [one(), two(), three()];
  const answer = rejection(fragment(...IN, 17, small, 0), 4, 'icmp-port-unreachable', OWN)!;
  const sent = ethernetFrame(PLAIN, '02:00:00:00:00:01', 4, answer, false);
  frames.push({ ...frames[0]!, bytes: sent, wire: sent.length, direction: 'out' });
  const { events } = explain(jobOf(rules('REJECT --reject-with icmp-port-unreachable')), frames, 4)!;
  expect(events).toContainEqual({ kind: 'answer', packet: 3, attached: false });
});

test('trace says what a fragment waits for, and what a packet is made of', () => {
  const frames = [one(), three(), two()];
  const about = (number: number) => {
    const { events, outcome } = explain(jobOf(rules('ACCEPT')), frames, number)!;
    const words = events.map((event) => (event.kind === 'hook' ? event.hook : event.kind));
    return { words: words.filter((word) => !['rule', 'end'].includes(word)), outcome, events };
  };
  const { words, outcome, events } = about(1);
  expect(words).toEqual(['way', 'PREROUTING', 'routing', 'fragment']);
  expect(events.at(-1)).toEqual({ kind: 'fragment', kept: true, packets: [1, 3, 2], fate: 'complete', by: 3 });
  expect(outcome).toMatchObject({ hook: 'INPUT', verdict: 'STACK', reason: 'fragment kept for reassembly', bytes: 100 });
  expect(about(3).words).toEqual(['way', 'PREROUTING', 'routing', 'reassembled', 'INPUT']);
});
