/** Rule sets as nobody writes them on purpose, and some as programs do: many shapes, each meant to hurt a classifier in its own way; and packets that meet their rules. */
import * as field from '../src/abi/fields.ts';
import type { WalkName } from '../src/compile/walks.ts';
import { Draw } from './draw.ts';
import { LENGTH } from './packet-fields.ts';

/** A match of a rule: what is written, and what makes a packet meet it. */
interface Part {
  words: string;
  put(packet: Uint32Array, draw: Draw): void;
}

/** A rule is its matches and its target; those of chains stand in them. */
interface OddRule {
  chain: string;
  parts: readonly Part[];
  target: string;
}

export interface OddSet {
  name: string;
  family: 4 | 6;
  /** iptables-save text. */
  rules: string;
  /** Fields (abi/fields.ts) of `count` packets, FIELD_COUNT words each: any rule's as often as any other's. */
  packets(count: number): Uint32Array;
}

const TCP = 6;
const UDP = 17;

const part = (words: string, put: Part['put']): Part => ({ words, put });

const protocol = (number: number): Part =>
  part(`-p ${number}`, (packet) => {
    packet[field.FIELD_PROTOCOL] = number;
  });

const dotted = (word: number): string => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.');

/** An address within the first `length` bits of a word. */
const within = (word: number, length: number, draw: Draw): number => {
  const host = length === 0 ? 0xffffffff : (2 ** (32 - length) - 1) >>> 0;
  return ((word & ~host) | (draw.word() & host)) >>> 0;
};

const prefix = (at: number, word: number, length: number): Part =>
  part(
    `${at === field.FIELD_SOURCE ? '-s' : '-d'} ${dotted(length === 0 ? 0 : word & -(2 ** (32 - length)))}/${length}`,
    (packet, draw) => {
      packet[at] = within(word, length, draw);
    },
  );
const source = (word: number, length = 32): Part => prefix(field.FIELD_SOURCE, word, length);
const destination = (word: number, length = 32): Part => prefix(field.FIELD_DESTINATION, word, length);

/** Behind `-m tcp` or `-m udp`. */
const ports = (at: number, low: number, high: number): Part =>
  part(`--${at === field.FIELD_SPORT ? 'sport' : 'dport'} ${low}:${high}`, (packet, draw) => {
    packet[at] = low + draw.below(high - low + 1);
  });
const sport = (low: number, high = low): Part => ports(field.FIELD_SPORT, low, high);
const dport = (low: number, high = low): Part => ports(field.FIELD_DPORT, low, high);
const tcp: Part = part('-p tcp -m tcp', (packet) => {
  packet[field.FIELD_PROTOCOL] = TCP;
});
const udp: Part = part('-p udp -m udp', (packet) => {
  packet[field.FIELD_PROTOCOL] = UDP;
});

/** A negation; a packet that is drawn at random meets it. */
const not = (words: string): Part => part(words, () => {});

function rangeOf(draw: Draw, most: number, width: number): [number, number] {
  const low = draw.below(most);
  return [low, Math.min(most, low + draw.below(width))];
}

const addresses = (at: number, [low, high]: [number, number]): Part =>
  part(`${at === field.FIELD_SOURCE ? '--src-range' : '--dst-range'} ${dotted(low)}-${dotted(high)}`, (packet, draw) => {
    packet[at] = low + draw.below(high - low + 1);
  });
const iprange: Part = part('-m iprange', () => {});

function multiport(draw: Draw, name: string, at: number): Part {
  const list = [...new Set(Array.from({ length: 12 }, () => draw.below(65_536)))];
  return part(`-m multiport --${name} ${list.join(',')}`, (packet, again) => {
    packet[at] = again.pick(list);
  });
}

const inDevice = (number: number): Part =>
  part(`-i eth${number}`, (packet, draw) => {
    packet[field.FIELD_IN_INTERFACE] = 2 + draw.below(2000);
  });

/** Of IPv6: as many bits of four words. */
function prefix6(at: number, words: readonly number[], length: number): Part {
  const kept = words.map((word, index) => {
    const bits = Math.min(32, Math.max(0, length - 32 * index));
    return bits === 0 ? 0 : (word & -(2 ** (32 - bits))) >>> 0;
  });
  const text = kept.flatMap((word) => [(word >>> 16).toString(16), (word & 0xffff).toString(16)]).join(':');
  return part(`${at === field.FIELD_SOURCE ? '-s' : '-d'} ${text}/${length}`, (packet, draw) => {
    for (const [index, word] of kept.entries()) {
      const bits = Math.min(32, Math.max(0, length - 32 * index));
      packet[at + index] = within(word, bits, draw);
    }
  });
}

const words6 = (draw: Draw): number[] => [0x20010db8, draw.below(4096), draw.word(), draw.word()];

const FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG'];
/** Bits of FLAGS in the order of the header. */
const FLAG_BITS = [1, 2, 4, 8, 16, 32];

function tcpFlags(draw: Draw): Part {
  const mask = 1 + draw.below(63);
  const set = mask & draw.below(64);
  const named = (bits: number): string => FLAGS.filter((_, index) => (bits & FLAG_BITS[index]!) !== 0).join(',') || 'NONE';
  return part(`--tcp-flags ${named(mask)} ${named(set)}`, (packet, again) => {
    packet[field.FIELD_TCP_FLAGS] = (again.below(64) & ~mask) | set;
  });
}

const small = (words: string, at: number, low: number, high: number): Part =>
  part(words, (packet, draw) => {
    packet[at] = low + draw.below(high - low + 1);
  });

type Maker = (draw: Draw, index: number, rules: number) => readonly Part[] | OddRule | readonly OddRule[];

/** A network that others are in, too. */
const network = (draw: Draw): number => (0x0a000000 + draw.below(1 << 24)) >>> 0;

/** Rules of one shape by number. */
const SHAPES: Record<string, Maker> = {
  'wide ranges': (draw) => [tcp, sport(...rangeOf(draw, 65_535, 40_000)), dport(...rangeOf(draw, 65_535, 40_000))],
  'wide ranges of hosts': (draw) => [
    source(network(draw), 8 + draw.below(25)),
    destination(network(draw), 8 + draw.below(25)),
    tcp,
    sport(...rangeOf(draw, 65_535, 40_000)),
    dport(...rangeOf(draw, 65_535, 40_000)),
  ],
  'port rectangles': (draw) => [tcp, sport(...rangeOf(draw, 65_535, 2000)), dport(...rangeOf(draw, 65_535, 2000))],
  crosses: (draw, index) => [
    tcp,
    index % 2 === 0 ? sport(...rangeOf(draw, 65_535, 30)) : sport(0, 65_535),
    index % 2 === 0 ? dport(0, 65_535) : dport(...rangeOf(draw, 65_535, 30)),
  ],
  'same centre': (draw) => {
    const [low, high] = [draw.below(30_000), 65_535 - draw.below(30_000)];
    return [tcp, sport(low, high), dport(draw.below(30_000), 65_535 - draw.below(30_000))];
  },
  'address ranges': (draw) => {
    const [one, other] = [network(draw), network(draw)];
    return [
      iprange,
      addresses(field.FIELD_SOURCE, [one, one + draw.below(1 << 22)]),
      addresses(field.FIELD_DESTINATION, [other, other + draw.below(1 << 22)]),
    ];
  },
  'one centre of addresses': (draw) => [
    iprange,
    addresses(field.FIELD_SOURCE, [0x0a000000 + draw.below(1 << 23), 0x0a800000 + draw.below(1 << 23)]),
    addresses(field.FIELD_DESTINATION, [0x0a000000 + draw.below(1 << 23), 0x0a800000 + draw.below(1 << 23)]),
  ],
  protocols: (draw, index) => [protocol(1 + (index % 254)), destination(network(draw), 8 + draw.below(17))],
  'port lists': (draw) => [part('-p tcp', tcp.put), multiport(draw, 'dports', field.FIELD_DPORT)],
  'port lists of both': (draw) => [
    part('-p tcp', tcp.put),
    multiport(draw, 'sports', field.FIELD_SPORT),
    multiport(draw, 'dports', field.FIELD_DPORT),
  ],
  'port lists of networks': (draw) => [
    source(network(draw), 16 + draw.below(17)),
    part('-p tcp', tcp.put),
    multiport(draw, 'dports', field.FIELD_DPORT),
  ],
  'host pairs': (draw) => [source(draw.word()), destination(draw.word())],
  'few hosts in pairs': (draw) => [source(0x0a000000 + draw.below(400)), destination(0x0b000000 + draw.below(400))],
  hosts: (draw) => [source(draw.word())],
  'nested prefixes': (draw) => [
    source((0x0a010203 ^ (draw.word() >>> (8 + draw.below(24)))) >>> 0, 8 + draw.below(25)),
    destination((0x0a010203 ^ (draw.word() >>> (8 + draw.below(24)))) >>> 0, 8 + draw.below(25)),
  ],
  negations: (draw) => [not(`! -s ${dotted(network(draw))}/32`), destination(network(draw), 24), tcp, dport(draw.below(65_536))],
  'negated ports': (draw) => [tcp, not(`! --sport ${draw.below(65_536)}`), dport(draw.below(65_536))],
  devices: (draw) => [inDevice(draw.below(1000)), tcp, dport(draw.below(1000))],
  'devices and networks': (draw) => [inDevice(draw.below(1000)), source(network(draw), 24)],
  flags: (draw) => [tcp, tcpFlags(draw), dport(draw.below(65_536))],
  'flags of networks': (draw) => [source(network(draw), 12 + draw.below(13)), tcp, tcpFlags(draw)],
  lengths: (draw) => {
    const [low, high] = rangeOf(draw, 1500, 700);
    return [
      part('-m length', () => {}),
      small(`--length ${low}:${high}`, field.FIELD_LENGTH, low, high),
      destination(network(draw), 20),
    ];
  },
  'times to live': (draw) => {
    const value = draw.below(256);
    return [small(`-m ttl --ttl-eq ${value}`, field.FIELD_TTL, value, value), source(network(draw), 8 + draw.below(20))];
  },
  macs: (draw) => {
    const bytes = Array.from({ length: 6 }, () => draw.below(256));
    return [
      part(`-m mac --mac-source ${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`, (packet) => {
        packet[field.FIELD_MAC_HIGH] = 0x10000 | (bytes[0]! << 8) | bytes[1]!;
        packet[field.FIELD_MAC_LOW] = ((bytes[2]! << 24) | (bytes[3]! << 16) | (bytes[4]! << 8) | bytes[5]!) >>> 0;
      }),
    ];
  },
  'hosts of IPv6': (draw) => [prefix6(field.FIELD_SOURCE, words6(draw), 128)],
  'pairs of IPv6': (draw) => [
    prefix6(field.FIELD_SOURCE, words6(draw), 48 + draw.below(81)),
    prefix6(field.FIELD_DESTINATION, words6(draw), 48 + draw.below(81)),
    tcp,
    dport(draw.below(65_536)),
  ],
  accounts: (draw) => ({ chain: 'FORWARD', parts: [source(network(draw), 24 + draw.below(9))], target: '' }),
  'marked hosts': (draw, index) => ({
    chain: 'FORWARD',
    parts: [source(network(draw))],
    target: `-j MARK --set-xmark 0x${index.toString(16)}/0xffffffff`,
  }),
  'logged and dropped': (draw, index) => {
    const parts = [source(network(draw), 24 + draw.below(9)), tcp, dport(draw.below(65_536))];
    return [
      { chain: 'FORWARD', parts, target: `-j LOG --log-prefix "${index} "` },
      { chain: 'FORWARD', parts, target: '-j DROP' },
    ];
  },
  limits: (draw) => {
    const parts = [source(network(draw), 24 + draw.below(9)), tcp, dport(draw.below(65_536))];
    return [
      { chain: 'FORWARD', parts: [...parts, part('-m limit --limit 5/sec', () => {})], target: '-j ACCEPT' },
      { chain: 'FORWARD', parts, target: '-j DROP' },
    ];
  },
  'some limits': (draw, index) => [
    source(network(draw), 24 + draw.below(9)),
    tcp,
    dport(draw.below(65_536)),
    ...(index % 10 === 0 ? [part('-m limit --limit 5/sec', () => {})] : []),
  ],
  chains: (draw, index, rules) => {
    const chain = index % Math.ceil(Math.sqrt(rules));
    const net = 0x0a000000 + chain * 256;
    const head: OddRule[] =
      index === chain ? [{ chain: 'FORWARD', parts: [destination(net, 24)], target: `-j net${chain}` }] : [];
    const parts = [destination((net | draw.below(256)) >>> 0), tcp, dport(draw.below(65_536))];
    return [...head, { chain: `net${chain}`, parts, target: '-j ACCEPT' }];
  },
  'chains that come back': (draw, index, rules) => {
    const chain = index % Math.ceil(Math.sqrt(rules));
    const head: OddRule[] =
      index === chain
        ? [{ chain: 'FORWARD', parts: [tcp, dport(...rangeOf(draw, 65_535, 30_000))], target: `-j ports${chain}` }]
        : [];
    return [...head, { chain: `ports${chain}`, parts: [source(network(draw), 24 + draw.below(9))], target: '-j DROP' }];
  },
  'a bit of all': (draw) => [
    ...(draw.chance(0.5) ? [source(network(draw), 8 + draw.below(25))] : []),
    ...(draw.chance(0.5) ? [destination(network(draw), 8 + draw.below(25))] : []),
    ...(draw.chance(0.3) ? [inDevice(draw.below(10))] : []),
    draw.chance(0.5) ? tcp : udp,
    ...(draw.chance(0.4) ? [sport(...rangeOf(draw, 65_535, draw.chance(0.5) ? 1 : 30_000))] : []),
    ...(draw.chance(0.7) ? [dport(...rangeOf(draw, 65_535, draw.chance(0.5) ? 1 : 30_000))] : []),
    ...(draw.chance(0.1) ? [small(`-m ttl --ttl-eq 64`, field.FIELD_TTL, 64, 64)] : []),
    ...(draw.chance(0.1) ? [small(`-m length --length 60:1500`, field.FIELD_LENGTH, 60, 1500)] : []),
  ],
};

export const oddWalk = ({ family }: OddSet): WalkName => ({ family, hook: 'FORWARD', table: 'mangle' });

export const oddShapes: readonly string[] = Object.keys(SHAPES);

/** A set of one shape: `rules` of its rules, or a few more. */
export function oddSet(shape: string, rules: number, seed = 1): OddSet {
  const maker = SHAPES[shape];
  if (maker === undefined) throw new RangeError(`no shape ${shape}; there are ${oddShapes.join(', ')}`);
  const draw = new Draw(seed + rules);
  const list: OddRule[] = [];
  for (let index = 0; list.length < rules; index++) {
    const made = maker(draw, index, rules);
    if (!Array.isArray(made)) list.push(made as OddRule);
    else if (made.length > 0 && 'chain' in made[0]) list.push(...(made as OddRule[]));
    else list.push({ chain: 'FORWARD', parts: made as Part[], target: index % 2 === 0 ? '-j DROP' : '-j ACCEPT' });
  }
  const family = shape.endsWith('IPv6') ? 6 : 4;
  return { name: `${shape} ${rules}`, family, rules: textOf(list), packets: (count) => packetsOf(list, family, count, seed) };
}

/** Rules of mangle, where marks may be set. */
function textOf(rules: readonly OddRule[]): string {
  const chains = [...new Set(rules.map(({ chain }) => chain))].filter((chain) => chain !== 'FORWARD');
  const lines = rules.map(({ chain, parts, target }) => `-A ${[chain, ...parts.map(({ words }) => words), target].join(' ')}`);
  return ['*mangle', ':FORWARD ACCEPT [0:0]', ...chains.map((chain) => `:${chain} - [0:0]`), ...lines, 'COMMIT', ''].join('\n');
}

function packetsOf(rules: readonly OddRule[], family: 4 | 6, count: number, seed: number): Uint32Array {
  const draw = new Draw(seed + 77);
  const words = new Uint32Array(count * field.FIELD_COUNT);
  for (let index = 0; index < count; index++) {
    const packet = words.subarray(index * field.FIELD_COUNT, (index + 1) * field.FIELD_COUNT);
    packet[field.FIELD_FAMILY] = family;
    packet[field.FIELD_PROTOCOL] = draw.pick([TCP, TCP, UDP]);
    packet[field.FIELD_SOURCE] = draw.word();
    packet[field.FIELD_DESTINATION] = draw.word();
    packet[field.FIELD_SPORT] = draw.below(65_536);
    packet[field.FIELD_DPORT] = draw.below(65_536);
    packet[field.FIELD_L4_LENGTH] = LENGTH - 20;
    packet[field.FIELD_LENGTH] = LENGTH;
    packet[field.FIELD_TTL] = 64;
    for (const one of draw.pick(rules).parts) one.put(packet, draw);
  }
  return words;
}
