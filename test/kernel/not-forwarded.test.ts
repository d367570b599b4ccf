/** Errors of the stack about packets that it does not forward, in the capture: RELATED with the connection of that packet, which never comes to be, as the running kernel has it. */
import { expect, it } from 'vitest';
import { fillChecksum, icmpMessage, ipPacket, usualFields } from '../../src/fuzz/build-packet.ts';
import type { HostGiven } from '../../src/model/host-build.ts';
import { ping, SYN, tcp, udp } from '../reference/build.ts';
import { describeKernel } from './machine.ts';
import { agree, counted, FAR, FIREWALL, forwarded, INVALID, own, PEER, RELATED, rulesOf } from './refused.ts';

const ICMP = { 4: 1, 6: 58 } as const;
const DONT_FRAGMENT = 0x4000;
const MTU = 1300;

type Kind = 'exceeded' | 'unreachable' | 'prohibited' | 'too big';
/** Type, code and what stands behind the checksum. */
const ERRORS: Record<4 | 6, Record<Kind, readonly [number, number, number]>> = {
  4: { exceeded: [11, 0, 0], unreachable: [3, 1, 0], prohibited: [3, 13, 0], 'too big': [3, 4, MTU] },
  6: { exceeded: [3, 0, 0], unreachable: [1, 0, 0], prohibited: [1, 1, 0], 'too big': [2, 0, MTU] },
};

/** Behind eth1 everything, but for networks from which nothing comes back. */
function hostOf(family: 4 | 6): HostGiven {
  const [nets, name, prefixlen] =
    family === 4
      ? [['10.7.1.0/24', '10.7.2.0/24', '10.7.3.0/24', '10.1.0.0/16'], 'inet', 24]
      : [['2001:db8:71::/64', '2001:db8:72::/64', '2001:db8:73::/64', '2001:db8:1::/64'], 'inet6', 64];
  const address = { family: name, local: FIREWALL[family], prefixlen };
  return {
    addresses: [
      { ifname: 'eth0', mtu: 1500, addr_info: [address] },
      { ifname: 'eth1', mtu: MTU, addr_info: [] },
    ],
    routes: [
      [
        { dst: nets[0], type: 'unreachable' },
        { dst: nets[1], type: 'prohibit' },
        { dst: nets[2], type: 'blackhole' },
        { dst: nets[3], dev: 'eth1' },
        { dst: 'default', dev: 'eth0' },
      ],
    ],
    in: 'eth0',
  };
}

function errorAbout(refused: Uint8Array, family: 4 | 6, kind: Kind): Uint8Array {
  const most = family === 4 ? 576 - 28 : 1280 - 48;
  const message = icmpMessage(...ERRORS[family][kind], refused.subarray(0, most));
  const [source, destination] = [FIREWALL[family], PEER[family]];
  const tos = family === 4 ? 0xc0 : 0;
  const fields = { ...usualFields({ family, source, destination, protocol: ICMP[family] }), tos, id: 0 };
  fillChecksum(message, 2, fields);
  return ipPacket(fields, message);
}

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

/** IPv4 options as they come, as an error quotes them, and those that the error itself has; where it is sent for their sake, the place in the header that it names. `a`: the host's address, `t`: a time. */
interface Options {
  name: string;
  sent: string;
  quoted: string;
  own: string;
  fault?: number;
}

const row = (name: string, sent: string, quoted: string, own: string, fault?: number): Options => {
  const filled = (text: string): string => text.replaceAll('a', '0a090001').replaceAll('t', '02030405');
  return { name, sent, quoted: filled(quoted), own: filled(own), ...(fault !== undefined && { fault }) };
};

/** What a kernel 6.18 did of them: record route, timestamps (times, with addresses, of listed ones), the end of the list, router alert. */
const FINE: readonly Options[] = [
  row('a route', '0707040000000000', '070708a00', '070708a00'),
  row('a route with room', '070b04000000000000000000', '070b08a0000000000', '070b0caa00'),
  row('a route that is full', '0707080102030400', '0707080102030400', '0707080102030400'),
  row('a route behind no-operations', '010107070400000000010100', '0101070708a010100', '070708a00'),
  row('times', '4408050000000000', '44080900t', '44080900t'),
  row('times with room', '440c05000000000000000000', '440c0900t00000000', '440c0d00tt'),
  row('times, full', '4408091001020304', '4408092001020304', '4408092001020304'),
  row('times with addresses', '440c05010000000000000000', '440c0d01at', '440c0d01at'),
  row('times of this host', '440c05030a09000100000000', '440c0d03at', '440c0d03at'),
  row('times of another', '440c05030102030400000000', '440c05030102030400000000', '440c05030102030400000000'),
  row('times of a group', '440c0503e000000100000000', '440c0d03e0000001t', '440c0d03e0000001t'),
  row('times of everybody', '440c0503ffffffff00000000', '440c0d03fffffffft', '440c0d03fffffffft'),
  row('times of nobody', '440c05030000000000000000', '440c0d0300000000t', '440c0d0300000000t'),
  row('behind the end of the list', '0007070401020304', '0000000000000000', ''),
  row('a router alert', '94040000', '94040000', ''),
];

const FAULTY: readonly Options[] = [
  row('a length that is too large', '070704000000004428050000', '070708a4428050000', '070708a00', 27),
  row('a length of one', '07010000', '07010000', '', 20),
  row('a kind without a length', '01010107', '01010107', '', 23),
  row('a route that begins too early', '44080500000000000707030000000000', '44080900t0707030000000000', '44080900t', 30),
  row('a route with room for half an address', '0709080000000000000000', '0709080000000000000000', '', 22),
  row('two routes', '0707040000000007070400000000', '070708a07070400000000', '070708a00', 27),
  row('a security label', '8608000000010101', '8608000000010101', '8608000000010101', 22),
  row('a short security label', '86040000', '86040000', '86040000', 21),
  row('one host more than can be counted', '440809f001020304', '440809f001020304', '', 23),
  row('times without room for an address', '4408050100000000', '4408050100000000', '', 22),
  row('a router alert of three bytes', '94030000', '94030000', '', 21),
  row('a source route, and a fault behind it', '8307040102030407', '8307040102030407', '', 27),
  row('a source route of two bytes', '83020000', '83020000', '', 21),
];

/** A datagram or a packet of another protocol with such options. */
function withOptions({ sent }: Pick<Options, 'sent'>, to: string, more: { ttl?: number; data?: number; protocol?: number } = {}) {
  const { ttl = 64, data = 8, protocol = 17 } = more;
  const fields = { ...usualFields({ family: 4, source: PEER[4], destination: to, protocol }), ttl, options: bytesOf(sent) };
  const datagram = new Uint8Array(8 + data);
  datagram.set([0x13, 0x88, 0, 53, (8 + data) >> 8, (8 + data) & 255]);
  return ipPacket(fields, datagram);
}

/** The error about it. `most`: what the path takes. */
function errorQuoting(
  refused: Uint8Array,
  { quoted, own, fault }: Pick<Options, 'quoted' | 'own' | 'fault'>,
  [type, code, rest]: readonly [number, number, number],
  { from = FIREWALL[4], most = 576 }: { from?: string; most?: number } = {},
): Uint8Array {
  const about = Uint8Array.from(refused);
  about.set(bytesOf(quoted), 20);
  const options = bytesOf(own);
  const message = icmpMessage(
    type,
    code,
    fault === undefined ? rest : fault * 2 ** 24,
    about.subarray(0, most - 28 - options.length),
  );
  const fields = { ...usualFields({ family: 4, source: from, destination: PEER[4], protocol: 1 }), tos: 0xc0, id: 0, options };
  fillChecksum(message, 2, fields);
  return ipPacket(fields, message);
}

/** All of them are the kernel's own, and RELATED. */
async function areRelated(
  pairs: readonly (readonly [Uint8Array, Uint8Array])[],
  given: Parameters<typeof agree>[2] = {},
  filter = '-A FORWARD -j DROP',
) {
  const outcomes = await agree(rulesOf([filter]), pairs.flat(), given);
  const all = pairs.map((_, i) => 2 * i + 2);
  expect(own(outcomes)).toEqual([all, all]);
  expect(counted(outcomes, RELATED)).toEqual([all.length, all.length]);
}

describeKernel('errors about packets with IPv4 options', () => {
  const each = (options: readonly Options[], make: (one: Options) => readonly [Uint8Array, Uint8Array]) => options.map(make);

  it('the time of a packet is exceeded', async () => {
    await areRelated(
      each(FINE, (one) => {
        const lost = withOptions(one, FAR[4], { ttl: 1 });
        return [lost, errorQuoting(lost, one, ERRORS[4].exceeded)];
      }),
    );
  });

  it('no way leads there', async () => {
    // To one sender no more than five at once (net.ipv4.route.error_burst).
    for (let at = 0; at < FINE.length; at += 5)
      await areRelated(
        each(FINE.slice(at, at + 5), (one) => {
          const lost = withOptions(one, '10.7.1.9');
          return [lost, errorQuoting(lost, one, ERRORS[4].unreachable)];
        }),
        { host: hostOf(4) },
      );
  });

  it('the options are wrong, whatever way leads there', async () => {
    for (const to of [FAR[4], '10.7.3.9', FIREWALL[4]])
      await areRelated(
        each(FAULTY, (one) => {
          const lost = withOptions(one, to);
          return [lost, errorQuoting(lost, one, [12, 0, 0])];
        }),
        { host: hostOf(4) },
      );
  });

  it('REJECT refuses it', async () => {
    await areRelated(
      each(FINE, (one) => {
        const lost = withOptions(one, FIREWALL[4]);
        return [lost, errorQuoting(lost, one, [3, 3, 0])];
      }),
      {},
      '-A INPUT -p udp -j REJECT',
    );
    await areRelated(
      each(FINE, (one) => {
        const lost = withOptions(one, FAR[4]);
        return [lost, errorQuoting(forwarded(lost, 4), one, [3, 3, 0])];
      }),
      {},
      '-A FORWARD -p udp -j REJECT',
    );
  });

  it('nobody knows its protocol', async () => {
    await areRelated(
      each(FINE, (one) => {
        const lost = withOptions(one, FIREWALL[4], { protocol: 99 });
        return [lost, errorQuoting(lost, one, [3, 2, 0])];
      }),
    );
  });

  it('no error is sent where the answer would have half the room, or a source route behind it', async () => {
    const sent = ['0708040000000009', '440e05010000000000000000000000', '8307080102030400000000', '830b080506070801020304070000'];
    const packets = sent.flatMap((options) => {
      const lost = withOptions({ sent: options }, FAR[4], { ttl: 1 });
      return [lost, errorQuoting(lost, { quoted: '', own: '' }, ERRORS[4].exceeded)];
    });
    const outcomes = await agree(rulesOf(['-A FORWARD -j DROP']), packets);
    expect(own(outcomes)).toEqual([[], []]);
  });

  it('the path takes less than an error has at most', async () => {
    const host = hostOf(4);
    const narrow = {
      ...host,
      addresses: (host.addresses as { ifname: string }[]).map((one) => ({ ...one, ...(one.ifname === 'eth0' && { mtu: 400 }) })),
    };
    const [plain, written] = [row('none', '', '', ''), FINE[1]!];
    await areRelated(
      [plain, written].flatMap((one) =>
        [300, 330, 340].map((data) => {
          const lost = withOptions(one, FAR[4], { ttl: 1, data });
          return [lost, errorQuoting(lost, one, ERRORS[4].exceeded, { most: 400 })] as const;
        }),
      ),
      { host: narrow },
    );
  });
});

describeKernel('what a path takes', () => {
  it('a host that has learnt of a smaller MTU quotes less', async () => {
    const [mtu, plain] = [560, row('none', '', '', '')];
    // Of the kernel's own echo replies no socket is asked (icmp_err).
    const [from, to] = [FAR[4], FIREWALL[4]];
    const reply = ping(FIREWALL[4], PEER[4], { data: 900 });
    reply[20] = 0;
    const told = icmpMessage(3, 4, mtu, reply.subarray(0, 548));
    const fields = usualFields({ family: 4, source: from, destination: to, protocol: 1 });
    fillChecksum(told, 2, fields);
    const pairs = [plain, FINE[1]!].map((one) => {
      const lost = withOptions(one, FAR[4], { ttl: 1, data: 900 });
      return [lost, errorQuoting(lost, one, ERRORS[4].exceeded, { most: mtu })];
    });
    const outcomes = await agree(rulesOf(['-A FORWARD -j DROP']), [ipPacket(fields, told), ...pairs.flat()]);
    expect(own(outcomes)).toEqual([
      [3, 5],
      [3, 5],
    ]);
    expect(counted(outcomes, RELATED)).toEqual([2, 2]);
  });
});

describeKernel('what the stack does not forward', () => {
  for (const family of [4, 6] as const) {
    const [peer, far] = [PEER[family], FAR[family]];

    it(`IPv${family}: the time of a packet is exceeded`, async () => {
      const ttl = 1;
      const lost = [
        tcp(`${peer} 5000`, `${far} 80`, SYN, { ttl }),
        udp(`${peer} 5000`, `${far} 53`, { ttl }),
        ping(peer, far, { ttl }),
        // Nobody sums up what is only reported by the stack.
        udp(`${peer} 5001`, `${far} 53`, { ttl, badChecksum: true }),
      ];
      const packets = lost.flatMap((one) => [one, errorAbout(one, family, 'exceeded')]);
      const outcomes = await agree(rulesOf(['-A FORWARD -j DROP']), packets, { family, sysctls: { nf_conntrack_checksum: 0 } });
      expect(own(outcomes)).toEqual([
        [2, 4, 6, 8],
        [2, 4, 6, 8],
      ]);
      expect(counted(outcomes, RELATED)).toEqual([4, 4]);
      expect(counted(outcomes, INVALID)).toEqual([0, 0]);
    });

    it(`IPv${family}: no way leads there, or none for what is so big; a blackhole tells nobody`, async () => {
      const to = (net: number): string => (family === 4 ? `10.7.${net}.9` : `2001:db8:7${net}::9`);
      const lost: [Uint8Array, Kind][] = [
        [udp(`${peer} 5000`, `${to(1)} 53`), 'unreachable'],
        [udp(`${peer} 5000`, `${to(2)} 53`), 'prohibited'],
        [udp(`${peer} 5000`, `${far} 53`, { data: 1400, fragment: DONT_FRAGMENT }), 'too big'],
        [udp(`${peer} 5000`, `${to(3)} 53`), 'unreachable'],
      ];
      const packets = lost.flatMap(([one, kind]) => [one, errorAbout(one, family, kind)]);
      const outcomes = await agree(rulesOf(['-A FORWARD -j DROP']), packets, { family, host: hostOf(family) });
      expect(own(outcomes)).toEqual([
        [2, 4, 6],
        [2, 4, 6],
      ]);
      expect(counted(outcomes, RELATED)).toEqual([3, 3]);
      expect(counted(outcomes, INVALID)).toEqual([1, 1]);
    });
  }
});
