/** What spoilt bytes brought to light, each a literal case: the witnesses differed, or said what no kernel would. Cases the kernel can be asked about are in test/regressions. */
import { describe, expect, test } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { buildHost, type HostGiven } from '../../src/model/host-build.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE, type Profile } from '../../src/model/profile.ts';
import { parseSave, parseSaveAll } from '../../src/syntax/index.ts';
import { Bytes, block, concat, describe_, enhanced, option, section } from '../capture/build.ts';
import { agree, BUILDS, byEngine, byReference, prepared } from './witnesses.ts';

const RULES = {
  4: '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -i lo -p udp -j DROP\nCOMMIT\n',
  6: '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n',
};
const HOST: HostGiven = { local: ['10.0.0.2'], in: 'eth0' };

interface Asked {
  host?: HostGiven;
  profile?: Partial<Profile>;
  rules?: string;
}

/** What every witness says of a file, which must be the same. */
async function told(capture: Uint8Array, { host = HOST, profile = {}, rules = RULES[4] }: Asked = {}): Promise<PacketOutcome[]> {
  const job = prepared({
    rules: { 4: parseSave(rules, { file: 'rules.v4', family: 4 }), 6: parseSave(RULES[6], { file: 'rules.v6', family: 6 }) },
    host: buildHost(host),
    profile: { ...DEFAULT_PROFILE, ...profile },
    packets: { path: true },
  });
  const reference = byReference(job.job, capture);
  for (const build of BUILDS) agree(reference, await byEngine(job, capture, { build }));
  return reference.packets;
}

const hex = (text: string): number[] => [...Buffer.from(text.replaceAll(/\s/g, ''), 'hex')];

/** An IPv4 header with a right checksum in front of eight bytes of UDP. */
function udp(from: string, to: string, options: readonly number[] = []): number[] {
  const address = (text: string): number[] => text.split('.').map(Number);
  const words = 5 + options.length / 4;
  const ip = [0x40 | words, 0, 0, words * 4 + 8, 0, 1, 0, 0, 64, 17, 0, 0, ...address(from), ...address(to), ...options];
  let sum = 0;
  for (let at = 0; at < ip.length; at += 2) sum += ip[at]! * 256 + ip[at + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  ip[10] = (~sum >>> 8) & 255;
  ip[11] = ~sum & 255;
  return [...ip, ...hex('1388 0035 0008 0000')];
}

const MACS = hex('020000000001 020000000099');
const IPV4 = hex('0800');
const pcap = (linktype: number, ...frames: readonly number[][]): Uint8Array =>
  writePcap(
    frames.map((bytes, index) => ({ time: 1_700_000_000_000_000_000n + BigInt(index), bytes: Uint8Array.from(bytes) })),
    linktype,
  );

const words = (outcomes: readonly PacketOutcome[]) =>
  outcomes.map(({ hook, verdict, unseen, reason }) => [hook, verdict, unseen ?? reason]);
const ARRIVED = ['INPUT', 'ACCEPT', undefined];

describe('link layers', () => {
  test("a PPPoE payload ends where its header says, whatever the frame's end", async () => {
    const session = (length: number) => [
      ...MACS,
      ...hex('8864 1100 0001'),
      0,
      length,
      0,
      0x21,
      ...udp('10.0.0.1', '10.0.0.2'),
      1,
      2,
    ];
    // The kernel trims the packet (pppoe_rcv), and ip_rcv then misses its end.
    expect(words(await told(pcap(1, session(30), session(29))))).toEqual([ARRIVED, [null, null, 'truncated by the capture']]);
  });

  test('BSD loopback: all four bytes are the family, of LOOP in network order only', async () => {
    const packet = udp('10.0.0.1', '10.0.0.2');
    const of = (family: string) => [...hex(family), ...packet];
    expect(words(await told(pcap(0, of('02000000'), of('00000002'), of('0200c0a8'))))).toEqual([
      ARRIVED,
      ARRIVED,
      [null, null, 'not IP'],
    ]);
    expect(words(await told(pcap(108, of('00000002'), of('02000000'))))).toEqual([ARRIVED, [null, null, 'not IP']]);
  });

  test('an old VLAN tag', async () => {
    expect(words(await told(pcap(1, [...MACS, ...hex('9200 0005'), ...IPV4, ...udp('10.0.0.1', '10.0.0.2')])))).toEqual([
      ARRIVED,
    ]);
  });

  test('on a netlink monitor the protocol is a netlink family', async () => {
    const cooked = (hardware: string) => [...hex(`0000 ${hardware} 0006 020000000099 0000 0800`), ...udp('10.0.0.1', '10.0.0.2')];
    expect(words(await told(pcap(113, cooked('0001'), cooked('0338'))))).toEqual([ARRIVED, [null, null, 'not IP']]);
  });

  test("a cooked header tells the direction, whatever pcapng's flags say of it", async () => {
    const cooked = (type: number) => [0, type, ...hex('0001 0006 020000000099 0000 0800'), ...udp('10.0.0.1', '10.9.0.9')];
    const flagged = (type: number, flags: number) =>
      enhanced(Uint8Array.from(cooked(type)), { options: [option(2, new Bytes(true).u32(flags).done())] });
    const capture = concat(section(), describe_(113), flagged(4, 1), flagged(0, 2));
    expect(words(await told(capture))).toEqual([
      [null, null, 'outgoing copy of a forwarded packet'],
      ['FORWARD', 'ACCEPT', undefined],
    ]);
  });
});

describe('the way of a packet', () => {
  const bad = hex('07030100');

  test('options are looked at when there is a route, also one that leads nowhere', async () => {
    const forwarded = pcap(
      1,
      [...MACS, ...IPV4, ...udp('10.0.0.1', '10.9.0.9', bad)],
      [...MACS, ...IPV4, ...udp('10.0.0.1', '10.9.0.9')],
    );
    const off = { profile: { sysctls: { 'net.ipv4.ip_forward': 0 } } };
    expect(words(await told(forwarded, off))).toEqual([
      ['FORWARD', 'STACK', 'bad IP options'],
      ['FORWARD', 'STACK', 'forwarding is off'],
    ]);
  });

  test('the hook of a packet with bad options is where it was going', async () => {
    const source = hex('8307 04 0a000003 00');
    const to = (address: string, options: readonly number[]) => [...MACS, ...IPV4, ...udp('10.0.0.1', address, options)];
    const capture = pcap(1, to('10.0.0.2', bad), to('10.9.0.9', bad), to('10.0.0.2', source), to('10.9.0.9', source));
    expect((await told(capture)).map(({ hook }) => hook)).toEqual(['INPUT', 'FORWARD', 'INPUT', 'FORWARD']);
  });

  test('the hook of a link-local source that may not be forwarded is FORWARD', async () => {
    const ip = hex('60000000 0008 11 40 fe800000000000000000000000000001 20010db8000000000000000000000009 13880035 0008 0000');
    const outcome = await told(pcap(1, [...MACS, ...hex('86dd'), ...ip]), { host: { forward: true, in: 'eth0', out: 'eth1' } });
    expect(words(outcome)).toEqual([['FORWARD', 'STACK', 'source address may not be forwarded']]);
  });

  test('a packet over lo that INPUT drops met INPUT', async () => {
    const outcome = await told(pcap(101, udp('10.0.0.2', '10.0.0.2')));
    expect(words(outcome)).toEqual([['INPUT', 'DROP', undefined]]);
  });

  test('the copy of a forwarded packet needs no checksum', async () => {
    const wrong = [...MACS, ...IPV4, ...udp('10.0.0.1', '10.9.0.9')];
    wrong[24]! ^= 1;
    const out = option(2, new Bytes(true).u32(2).done());
    const capture = concat(
      section(),
      describe_(1),
      block(0xbad, Uint8Array.of()),
      enhanced(Uint8Array.from(wrong), { options: [out] }),
    );
    expect(words(await told(capture))).toEqual([[null, null, 'outgoing copy of a forwarded packet']]);
  });
});

describe('a clock that goes back', () => {
  const at = (...seconds: readonly number[]): Uint8Array =>
    writePcap(
      seconds.map((second) => ({
        time: 1_700_000_000_000_000_000n + BigInt(Math.round(second * 1e9)),
        bytes: Uint8Array.from([...MACS, ...IPV4, ...udp('10.0.0.1', '10.0.0.2')]),
      })),
      1,
    );
  const limited = '*filter\n:INPUT DROP [0:0]\n-A INPUT -m limit --limit 1/s --limit-burst 1 -j ACCEPT\nCOMMIT\n';

  test.each(['legacy', 'nft'] as const)('stands still for limit (%s)', async (backend) => {
    // One token at the start; the second packet takes what the first second brought; then no time passes until 1.5, and a second is full at 2.
    const outcomes = await told(at(0, 1, 0.2, 0.9, 1.5, 2), { rules: limited, profile: { backend } });
    expect(outcomes.map(({ verdict }) => verdict)).toEqual(['ACCEPT', 'ACCEPT', 'DROP', 'DROP', 'DROP', 'ACCEPT']);
    // The verdict line has the time of the capture.
    expect(outcomes[2]!.time).toBe(1_700_000_000_200_000_000n);
  });

  test('stands still for connections', async () => {
    const rules = '*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate NEW -m conntrack --ctexpire 0:20\nCOMMIT\n';
    await told(at(0, 100, 5, 6, 129, 131), { rules });
  });
});

test('an option in the place of a target is not assumed to be one', () => {
  const text = '*filter\n-A INPUT -j -m conntrack --ctproto 6 -m conntrack --ctstate NEW\nCOMMIT\n';
  const { errors } = parseSaveAll(text, { file: 'rules.v4', family: 4, unsupported: 'assume-miss' });
  expect(errors.map((error) => error.format().split('\n')[0])).toEqual(['rules.v4:2:13: no chain or target named "-m"']);
});

test('an assumed target that becomes a chain further down is refused, as iptables does', () => {
  const text = '*filter\n-A INPUT -j later\n:later - [0:0]\nCOMMIT\n';
  const { errors } = parseSaveAll(text, { file: 'rules.v4', family: 4, unsupported: 'assume-hit' });
  expect(errors.map((error) => error.format().split('\n')[0])).toEqual(['rules.v4:2:13: no chain or target named "later" yet']);
});
