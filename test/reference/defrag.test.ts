/** Defragmentation where rules bring conntrack: every decision by hand, against the kernel; times, memory and distance; devices and ways; storms of random fragments. */
import { describe, expect, test } from 'vitest';
import { buildHost } from '../../src/model/host-build.ts';
import type { Frame } from '../../src/model/witness.ts';
import { findUpper } from '../../src/packet/ipv6.ts';
import { explain } from '../../src/reference/index.ts';
import { differences } from '../kernel/differential.ts';
import { describeKernel } from '../kernel/machine.ts';
import { REFERENCE } from '../kernel/witnesses.ts';
import { join, udp } from './build.ts';
import { CASES, type Fate } from './defrag-cases.ts';
import { randomFrom } from './flows.ts';
import { type FragmentMore, fragmentStorm, fragmentsOf } from './fragments.ts';
import { againstKernel, FORWARDING, frameOf, jobOf, probes, replay } from './replay.ts';

/** What is left of the whole packet's header, and that later tables see it as one. */
const rules = (family: 4 | 6): string =>
  probes(`*raw
-A PREROUTING -m length --length 100:300
${family === 4 ? '-A PREROUTING -m ttl --ttl-eq 2' : '-A PREROUTING -m hl --hl-eq 2'}
COMMIT
*filter
${[0, 1, 2, 3].map((mark) => `-A FORWARD -m tos --tos ${mark}`).join('\n')}
${family === 4 ? '-A FORWARD -f' : ''}
-A FORWARD -p udp -m udp --dport 53 -j ACCEPT
-A FORWARD -p tcp -m tcp --dport 80
COMMIT`);

function fates(packets: readonly Uint8Array[], family: 4 | 6): Fate[] {
  const { outcomes } = replay(
    jobOf(rules(family), FORWARDING, {}, family),
    packets.map((bytes, i) => frameOf(bytes, i)),
  );
  return outcomes.map(({ unseen, bytes }) => {
    if (unseen === 'fragment kept for reassembly') return 'kept';
    return unseen === 'fragment discarded by reassembly' ? 'discarded' : bytes;
  });
}

describe('fragments, one decision at a time', () => {
  test.each(CASES)('IPv$family: $name', ({ family, packets, expected }) => {
    expect(fates(packets, family)).toEqual(expected);
  });
});

describeKernel('fragments, one decision at a time, and the kernel', () => {
  test.each(CASES)('IPv$family: $name', async ({ family, packets }) => {
    expect(await againstKernel(rules(family), packets, { family })).toEqual([]);
  });
});

describeKernel('storms of fragments and the kernel', () => {
  /** nf_tables cannot trace a packet that ends before its transport header. */
  const traceable = (packet: Uint8Array): boolean => packet[0]! >> 4 === 4 || (findUpper(packet)?.offset ?? 0) <= packet.length;

  test.each([
    [4, 'legacy', 71],
    [4, 'legacy', 72],
    [6, 'legacy', 73],
    [6, 'legacy', 74],
    [4, 'nft', 75],
    [6, 'nft', 76],
  ] as const)('IPv%i, %s (seed %i)', async (family, backend, seed) => {
    const storm = fragmentStorm(randomFrom(seed), 500, family === 6);
    const packets = backend === 'nft' ? storm.filter(traceable) : storm;
    // The storm is not blind: packets are made, kept and refused.
    const seen = fates(packets, family);
    const wholes = seen.filter((fate, i) => typeof fate === 'number' && fate > packets[i]!.length).length;
    expect(Math.min(wholes, seen.filter((fate) => fate === 'discarded').length)).toBeGreaterThan(25);
    expect(await againstKernel(rules(family), packets, { family, profile: { backend } })).toEqual([]);
  });

  test.each([
    [4, 'net.ipv4.ipfrag_max_dist', 4, 81],
    [4, 'net.ipv4.ipfrag_max_dist', 0, 82],
    [4, 'net.ipv4.ipfrag_high_thresh', 12000, 83],
    [4, 'net.ipv4.ipfrag_high_thresh', 40000, 84],
    [6, 'net.netfilter.nf_conntrack_frag6_high_thresh', 12000, 85],
    [6, 'net.netfilter.nf_conntrack_frag6_high_thresh', 40000, 86],
  ] as const)('IPv%i with %s=%i (seed %i)', async (family, name, value, seed) => {
    const packets = fragmentStorm(randomFrom(seed), 400, family === 6);
    const low = name.replace('high_thresh', 'low_thresh');
    const sysctls = { ...(low === name ? {} : { [low]: '0' }), [name]: String(value) };
    const profile = { sysctls: { [name.replace('net.netfilter.', '')]: value } };
    expect(await againstKernel(rules(family), packets, { family, sysctls, profile })).toEqual([]);
  });
});

const whole = (family: 4 | 6, data: number): Uint8Array =>
  family === 4 ? udp('10.0.0.1 1000', '10.1.0.2 53', { data }) : udp('2001:db8::1 1000', '2001:db8:1::2 53', { data });

describeKernel('the lifetime of fragments and the kernel', () => {
  test.each([
    [4, 'net.ipv4.ipfrag_time'],
    [6, 'net.netfilter.nf_conntrack_frag6_timeout'],
  ] as const)('IPv%i: it counts from the first, whatever comes later', async (family, name) => {
    const some = (id: number, ...which: number[]): Uint8Array[] => {
      const all = fragmentsOf(whole(family, 200), 72, { id });
      return which.map((number) => all[number]!);
    };
    // 0, 0.3, 0.6, 0.9 s: complete in time. Then at 1.5, 1.8 and, too late for both, 2.7 and 3.0 s. What comes late is a packet's beginning again.
    const packets = [
      ...some(1, 0),
      ...some(2, 0),
      ...some(2, 1),
      ...some(1, 1, 2),
      ...some(3, 0, 1),
      ...some(4, 0, 1),
      ...some(3, 2),
      ...some(4, 2),
      ...some(3, 0, 1),
    ];
    const sysctls = { [name]: '1' };
    const profile = { sysctls: { [name.replace('net.netfilter.', '')]: 1 } };
    expect(await againstKernel(rules(family), packets, { family, sysctls, profile, milliseconds: 300 })).toEqual([]);
  });
});

describe('the lifetime of fragments', () => {
  test.each([
    [4, 30],
    [6, 60],
  ] as const)('IPv%i: %i seconds', (family, seconds) => {
    const [first, second] = fragmentsOf(whole(family, 100), 64) as [Uint8Array, Uint8Array];
    const at = (milliseconds: number): number | undefined => {
      const frames = [frameOf(first, 0), frameOf(second, milliseconds)];
      return replay(jobOf(rules(family), FORWARDING, {}, family), frames).outcomes[1]?.bytes;
    };
    expect(at(seconds * 1000)).toBe(whole(family, 100).length);
    expect(at(seconds * 1000 + 5)).toBe(0);
  });
});

const HOST = buildHost({
  addresses: [
    {
      ifname: 'eth0',
      address: '02:00:00:00:00:01',
      mtu: 1500,
      addr_info: [
        { family: 'inet', local: '192.0.2.1', prefixlen: 24 },
        { family: 'inet6', local: '2001:db8::1', prefixlen: 64 },
        { family: 'inet6', local: 'fe80::1', prefixlen: 64 },
      ],
    },
    {
      ifname: 'eth1',
      address: '02:00:00:00:00:02',
      mtu: 1400,
      addr_info: [
        { family: 'inet', local: '198.51.100.1', prefixlen: 24 },
        { family: 'inet6', local: '2001:db8:1::1', prefixlen: 64 },
      ],
    },
  ],
  routes: [],
});

const HOST_RULES = probes(`*raw
-A PREROUTING -i eth0
-A PREROUTING -i eth1
-A PREROUTING -m mac --mac-source 02:00:00:00:00:aa
-A PREROUTING -m mac --mac-source 02:00:00:00:00:bb
-A PREROUTING -m pkttype --pkt-type broadcast
COMMIT
*filter
-A INPUT -p udp -m udp --dport 53
-A FORWARD -p udp -m udp --dport 53
-A OUTPUT -p udp -m udp --dport 53
COMMIT`);

/** Differences between kernel and reference for frames at HOST, a millisecond apart. */
async function atHost(frames: readonly Frame[]): Promise<string[]> {
  const found = await differences('legacy', { rules: { 4: HOST_RULES, 6: HOST_RULES }, host: HOST, frames }, [REFERENCE]);
  return found.get('reference') ?? ['no answer'];
}

const datagram = (from: string, to: string, size = 200, data = 400, more: FragmentMore = {}): Uint8Array[] =>
  fragmentsOf(udp(`${from} 1000`, `${to} 53`, { data }), size, more);

const arriving = (bytes: Uint8Array, i: number, interfaceName = 'eth0'): Frame =>
  frameOf(bytes, i, { direction: 'in', interfaceName });

function ethernet(to: string, from: string, bytes: Uint8Array, i: number): Frame {
  const type = bytes[0]! >> 4 === 6 ? '86dd' : '0800';
  const frame = join(Buffer.from(to + from + type, 'hex'), bytes);
  return frameOf(frame, i, { direction: 'in', interfaceName: 'eth0', linktype: 1 });
}

const ENDS = [
  ['192.0.2.9', '198.51.100.7'],
  ['2001:db8::9', '2001:db8:1::7'],
] as const;

describeKernel('where fragments come from and go to, and the kernel', () => {
  test.each(ENDS)('%s: link addresses are the first fragment’s, the device the last one’s that came', async (from, to) => {
    const [one, two, three] = datagram(from, to) as [Uint8Array, Uint8Array, Uint8Array];
    const [own, everybody, a, b] = ['020000000001', 'ffffffffffff', '0200000000aa', '0200000000bb'];
    expect(await atHost([one, two, three].map((bytes, i) => ethernet(own, i === 0 ? a : b, bytes, i)))).toEqual([]);
    expect(await atHost([three, two, one].map((bytes, i) => ethernet(own, i === 2 ? a : b, bytes, i)))).toEqual([]);
    expect(await atHost([one, two, three].map((bytes, i) => ethernet(i === 0 ? everybody : own, b, bytes, i)))).toEqual([]);
    expect(await atHost([one, three, two].map((bytes, i) => arriving(bytes, i, i === 2 ? 'eth1' : 'eth0')))).toEqual([]);
  });

  test.each([
    ['2001:db8::9', 'fe80::1'],
    ['fe80::9', '2001:db8::1'],
    ['2001:db8::9', 'ff02::1'],
    ['2001:db8::9', 'ff0e::2'],
  ])('%s to %s: devices are kept apart where the destination has a scope', async (from, to) => {
    const [one, two, three] = datagram(from, to) as [Uint8Array, Uint8Array, Uint8Array];
    expect(await atHost([one, three, two, two].map((bytes, i) => arriving(bytes, i, i === 2 ? 'eth1' : 'eth0')))).toEqual([]);
  });

  test.each([
    ['192.0.2.9', '192.0.2.1', 'in'],
    ['2001:db8::9', '2001:db8::1', 'in'],
    ['192.0.2.1', '192.0.2.9', 'out'],
    ['2001:db8::1', '2001:db8::9', 'out'],
  ] as const)('%s to %s, %s', async (from, to, direction) => {
    expect(await atHost(datagram(from, to).map((bytes, i) => frameOf(bytes, i, { direction })))).toEqual([]);
  });

  test('what arrives and what is sent does not mix', async () => {
    const [one, two] = datagram('192.0.2.1', '192.0.2.9', 400) as [Uint8Array, Uint8Array];
    expect(await atHost([frameOf(one, 0, { direction: 'out' }), arriving(two, 1)])).toEqual([]);
  });

  test('over lo', async () => {
    const lines = await atHost(datagram('192.0.2.1', '198.51.100.1').map((bytes, i) => frameOf(bytes, i)));
    expect(lines).toEqual([]);
  });

  test.each([
    [ENDS[0], 1376, false],
    [ENDS[0], 1384, false],
    [ENDS[0], 1376, true],
    [ENDS[0], 1384, true],
    [ENDS[1], 1352, false],
    [ENDS[1], 1360, false],
  ] as const)('%s: fragments of %i bytes through an MTU of 1400, DF %s', async ([from, to], size, dontFragment) => {
    const packets = datagram(from, to, size, 3000, { dontFragment });
    expect(await atHost(packets.map((bytes, i) => arriving(bytes, i)))).toEqual([]);
  });
});

describe('around defragmentation', () => {
  const [one, two, three] = datagram('10.0.0.1', '10.1.0.2') as [Uint8Array, Uint8Array, Uint8Array];

  test('without conntrack every fragment goes by itself', () => {
    const plain = '*filter\n-A FORWARD -f\nCOMMIT\n';
    const { outcomes, result } = replay(
      jobOf(plain),
      [one, two, three].map((bytes, i) => frameOf(bytes, i)),
    );
    expect(outcomes.map(({ bytes }) => bytes)).toEqual([220, 220, 28]);
    expect(result.counters[4]?.filter?.FORWARD?.rules).toEqual([{ packets: 2, bytes: 248 }]);
  });

  test('the bytes of a fragment are its own: the reader’s buffer is used again', () => {
    const buffer = new Uint8Array(2000);
    const frames = [one, three, two].map((bytes, i) => ({ bytes, i }));
    const outcomes: number[] = [];
    const job = jobOf(probes());
    const session = replay(
      job,
      (function* () {
        for (const { bytes, i } of frames) {
          buffer.fill(0xee);
          buffer.set(bytes);
          yield frameOf(buffer.subarray(0, bytes.length), i);
        }
      })(),
    );
    outcomes.push(...session.outcomes.map(({ bytes }) => bytes));
    expect(outcomes).toEqual([0, 0, 428]);
    expect(session.outcomes[2]?.ctstate).toBe('NEW');
  });

  test('a capture that cuts packets, lenient: as much as was captured', () => {
    const cut = [one.subarray(0, 100), two, three].map((bytes, i) => frameOf(bytes, i));
    const { outcomes } = replay(jobOf(probes(), FORWARDING, { prestack: 'lenient' }), cut);
    expect(outcomes.map(({ bytes }) => bytes)).toEqual([0, 0, 428]);
  });

  test('trace says which packet completes a fragment, and of which it is made', () => {
    const frames = [one, udp('10.0.0.9 1', '10.1.0.2 2'), three, one, two].map((bytes, i) => frameOf(bytes, i));
    const told = (number: number, count = frames.length) =>
      explain(jobOf(probes()), frames.slice(0, count), number)!.events.filter(({ kind }) => /fragment|reassembled/.test(kind));
    expect(told(1)).toEqual([{ kind: 'fragment', kept: true, packets: [1, 5, 3], fate: 'complete', by: 5 }]);
    expect(told(1, 4)).toEqual([{ kind: 'fragment', kept: true, packets: [1, 3], fate: 'waiting', by: null }]);
    expect(told(4)).toEqual([{ kind: 'fragment', kept: false, packets: [1, 3], fate: 'waiting', by: null }]);
    expect(told(5)).toEqual([{ kind: 'reassembled', packets: [1, 5, 3] }]);
    const late = [one, two, frameOf(three, 40_000).bytes].map((bytes, i) => frameOf(bytes, i === 2 ? 40_000 : i));
    expect(explain(jobOf(probes()), late, 2)!.events.at(-1)).toEqual({
      kind: 'fragment',
      kept: true,
      packets: [1, 2],
      fate: 'timed out',
      by: 3,
    });
  });
});
