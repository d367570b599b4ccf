/** Random packets under a seed, biased to what conntrack and the stack tell apart. The seed is in the test's name. */
import { ACK, FIN, icmp, ip, join, PSH, ping, RST, SYN, tcp, URG, udp } from './build.ts';

export type Random = () => number;

/** A small linear congruential generator: the same packets on every machine. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
}

const pick = <T>(random: Random, choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;

const USUAL = [SYN, SYN | ACK, ACK, ACK, FIN | ACK, RST, RST | ACK];
const ODD = [ACK | PSH, SYN | URG, FIN, 0, FIN | ACK | URG, SYN | FIN, ACK | URG];
const OFFSETS = [-70000, -9000, -100, -1, 1, 100, 9000, 70000];
const SYN_OPTIONS = [[], [3, 3, 7, 0], [4, 2, 1, 1, 3, 3, 2, 0], [2, 4, 5, 180]];
const u32 = (value: number): number[] => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255);

/** One TCP connection, both directions: mostly in order, sometimes with sequence and acknowledgement numbers off the window. */
export function tcpFlow(random: Random, count: number, client = '10.0.0.1', server = '10.1.0.2'): Uint8Array[] {
  const port = 1024 + Math.floor(random() * 60000);
  const next: [number, number] = [1000, 5000];
  const out: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const flags =
      i === 0 && random() < 0.8 ? SYN : i === 1 && random() < 0.4 ? SYN | ACK : pick(random, random() < 0.9 ? USUAL : ODD);
    const direction = i === 0 ? 0 : i === 1 && flags === (SYN | ACK) ? 1 : random() < 0.5 ? 0 : 1;
    const off = random() < 0.25 ? pick(random, OFFSETS) : 0;
    const ackOff = random() < 0.25 ? pick(random, OFFSETS) : 0;
    const seq = random() < 0.03 ? 0 : (next[direction] + off) >>> 0;
    const ack = random() < 0.05 ? 0 : (next[direction === 0 ? 1 : 0] + ackOff) >>> 0;
    const data = random() < 0.3 ? Math.floor(random() * 600) : 0;
    const sack = random() < 0.1 ? [1, 1, 5, 10, ...u32(ack + 500), ...u32(ack + 900)] : [];
    const tcpOptions = flags & SYN ? pick(random, SYN_OPTIONS) : sack;
    const window = pick(random, [8192, 8192, 65535, 0, 512, 1]);
    const [from, to] = direction === 0 ? [`${client} ${port}`, `${server} 80`] : [`${server} 80`, `${client} ${port}`];
    out.push(tcp(from, to, flags, { seq, ack, window, data, tcpOptions }));
    if (off === 0) next[direction] = (seq + data + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0)) >>> 0;
  }
  return out;
}

interface Ends {
  client: string;
  server: string;
  six: boolean;
}

/** Echo, other ICMP types, errors about packets that went through or never did. */
function randomIcmp(random: Random, { client, server, six }: Ends): Uint8Array {
  const [from, to] = random() < 0.5 ? [client, server] : [server, client];
  const id = 1 + Math.floor(random() * 3);
  if (random() < 0.4) return ping(from, to, { id, reply: random() < 0.5, badChecksum: random() < 0.1 });
  if (random() < 0.3) {
    const types = six
      ? [130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 140, 141, 143, 144, 255, 127, 100]
      : [0, 8, 9, 10, 13, 14, 15, 16, 17, 18, 19, 40, 255];
    return icmp(
      from,
      to,
      pick(random, types),
      Math.floor(random() * 2),
      new Uint8Array(random() < 0.2 ? 3 : 4 + Math.floor(random() * 40)),
    );
  }
  const inner =
    random() < 0.5
      ? udp(`${to} ${53}`, `${from} ${1000 + id}`)
      : random() < 0.5
        ? ping(to, from, { id })
        : udp(`${to} ${1000 + id}`, `${from} 53`);
  const cut = random() < 0.3 ? inner.slice(0, Math.floor(random() * inner.length)) : inner;
  const wrong = random() < 0.15 ? (six ? '2001:db8:9::9' : '10.9.9.9') : to;
  return icmp(
    from,
    wrong,
    pick(random, six ? [1, 2, 3, 4] : [3, 4, 5, 11, 12]),
    Math.floor(random() * 3),
    join([0, 0, 0, 0], cut),
  );
}

function randomUdp(random: Random, { client, server }: Ends): Uint8Array {
  const port = 1001 + Math.floor(random() * 3);
  const [from, to] = random() < 0.6 ? [`${client} ${port}`, `${server} 53`] : [`${server} 53`, `${client} ${port}`];
  const data = Math.floor(random() * 20);
  const length = random() < 0.15 ? pick(random, [0, 7, 8 + data - 1, 8 + data + 1]) : 8 + data;
  return udp(from, to, { data, length, noChecksum: random() < 0.2, badChecksum: random() < 0.1 });
}

const OPTIONS4 = [
  [1, 1, 1, 0],
  [148, 4, 0, 0],
  [7, 7, 4, 0, 0, 0, 0, 0],
  [7, 3, 3, 0],
  [131, 7, 4, 10, 0, 0, 9, 0],
  [68, 8, 5, 0, 0, 0, 0, 0],
  [68, 8, 9, 0xf0, 0, 0, 0, 0],
  [130, 1, 0, 0],
  [130, 9, 0, 0],
];

/** What the stack has an opinion about before any rule: TTL, options, strange addresses, fragments of the header. */
function randomOddity4(random: Random): Uint8Array {
  const addresses = [
    '10.0.0.1',
    '127.0.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '224.0.0.9',
    '255.255.255.255',
    '240.0.0.1',
    '0.1.2.3',
    '10.1.0.2',
  ];
  const from = random() < 0.5 ? '10.0.0.1' : pick(random, addresses);
  const to = random() < 0.5 ? '10.1.0.2' : pick(random, addresses);
  const protocol = pick(random, [1, 2, 6, 17, 33, 50, 58, 89, 253]);
  const payload = new Uint8Array(Math.floor(random() * 30));
  const packet = ip(from, to, protocol, payload, -1, {
    ttl: pick(random, [64, 64, 64, 2, 1, 0]),
    ...(random() < 0.4 ? { options: pick(random, OPTIONS4) } : {}),
  });
  const broken = random();
  if (broken < 0.04) packet[10] = (packet[10]! + 1) & 255;
  if (broken > 0.04 && broken < 0.08) return packet.slice(0, packet.length - 1);
  return broken > 0.08 && broken < 0.15 ? join(packet, [0, 0, 0, 0, 0]) : packet;
}

const HEADERS6: readonly (readonly [first: number, bytes: readonly number[]])[] = [
  [0, [17, 0, 5, 2, 0, 0, 1, 0]],
  [0, [17, 0, 1, 4, 0, 0, 0, 0]],
  [0, [17, 0, 1, 4, 0, 9, 0, 0]],
  [0, [17, 0, 0x45, 4, 0, 0, 0, 0]],
  [0, [17, 0, 0x1e, 4, 0, 0, 0, 0]],
  [60, [17, 0, 1, 4, 0, 0, 0, 0]],
  [43, [17, 0, 0, 0, 0, 0, 0, 0]],
  [51, [17, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]],
  [60, [59, 0, 1, 4, 0, 0, 0, 0]],
  [59, []],
];

function randomOddity6(random: Random): Uint8Array {
  const addresses = ['2001:db8::1', '::1', '::', 'fe80::5', 'ff02::1', 'ff02::9', 'ff01::1', 'ff00::1', '2001:db8:1::2'];
  const from = random() < 0.5 ? '2001:db8::1' : pick(random, addresses);
  const to = random() < 0.5 ? '2001:db8:1::2' : pick(random, addresses);
  const [firstHeader, options] = random() < 0.6 ? pick(random, HEADERS6) : [17, []];
  const body = join([3, 233, 0, 53, 0, 12, 0, 0], [1, 2, 3, 4]);
  return ip(from, to, 17, body, random() < 0.8 ? 6 : -1, { ttl: pick(random, [64, 64, 64, 2, 1, 0]), firstHeader, options });
}

/** A mixture of everything but fragments, which are for later. */
export function mixture(random: Random, count: number, six: boolean): Uint8Array[] {
  const ends = six ? { client: '2001:db8::1', server: '2001:db8:1::2', six } : { client: '10.0.0.1', server: '10.1.0.2', six };
  const out: Uint8Array[] = [];
  while (out.length < count) {
    const kind = random();
    if (kind < 0.3) out.push(randomUdp(random, ends));
    else if (kind < 0.6) out.push(randomIcmp(random, ends));
    else if (kind < 0.9) out.push(six ? randomOddity6(random) : randomOddity4(random));
    else out.push(...tcpFlow(random, 4, ends.client, ends.server));
  }
  return out;
}

/** Fragments and short transport headers, for rule sets that do not track connections (so nothing reassembles). */
export function fragments(random: Random, count: number, six: boolean): Uint8Array[] {
  const [from, to] = six ? ['2001:db8::1', '2001:db8:1::2'] : ['10.0.0.1', '10.1.0.2'];
  const out: Uint8Array[] = [];
  while (out.length < count) {
    const protocol = pick(random, [6, 17, six ? 58 : 1, 50]);
    const offset = pick(random, [0, 0, 0, 1, 2, 100]);
    const more = random() < 0.5;
    const body = join([0, 22, 0, 53, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, pick(random, [0, SYN, ACK])], new Uint8Array(10));
    const payload = body.slice(0, Math.floor(random() * body.length));
    if (!six) {
      out.push(
        ip(from, to, protocol, payload, -1, {
          fragment: (more ? 0x2000 : 0) | offset,
          tos: pick(random, [0, 8, 0x10, 0x2e << 2]),
        }),
      );
      continue;
    }
    const header = [
      pick(random, [protocol, protocol, protocol, 60, 59]),
      0,
      (offset << 3) >> 8,
      ((offset << 3) & 0xf8) | (more ? 1 : 0),
      0,
      0,
      0,
      1,
    ];
    out.push(ip(from, to, protocol, payload, -1, { firstHeader: 44, options: header }));
  }
  return out;
}
