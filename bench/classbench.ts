/** Rule sets over the 5-tuple, as ClassBench has them: read from its files, or made here after the same shapes; and packets that meet them. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Draw } from './draw.ts';

export interface Prefix {
  address: number;
  length: number;
}

/** Ports are [low, high]; `protocol` null: any. */
export interface Filter {
  source: Prefix;
  destination: Prefix;
  sport: readonly [number, number];
  dport: readonly [number, number];
  protocol: number | null;
}

export interface FilterSet {
  name: string;
  filters: readonly Filter[];
}

const ANY: readonly [number, number] = [0, 0xffff];
const TCP = 6;
const UDP = 17;
const ICMP = 1;

/**
 * Sets of ClassBench with up to `most` rules: a file, or all of a folder that hold rules, packed with gzip or not.
 * @throws what the system says when there is no such file; Error when there are no rules in any, or one that cannot be read.
 */
export function classbenchSets(path: string, most: number): FilterSet[] {
  const files = statSync(path).isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [path];
  const sets = files
    .filter((file) => statSync(file).isFile())
    .sort()
    .map((file) => ({ name: basename(file).replace(/\.(gz|txt|rules)$/g, ''), filters: readFilters(textOf(file), file) }))
    .filter(({ filters }) => filters.length > 0);
  if (sets.length === 0)
    throw new Error(`${path}: no rules of ClassBench; one is "@192.0.2.0/24\t0.0.0.0/0\t0 : 65535\t80 : 80\t0x06/0xFF"`);
  return sets.filter(({ filters }) => filters.length <= most);
}

function textOf(file: string): string {
  const bytes = readFileSync(file);
  return (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('latin1');
}

/** `@src/len, dst/len, low : high, low : high, protocol/mask, flags/mask`, with tabs between. */
function readFilters(text: string, file: string): Filter[] {
  return text.split('\n').flatMap((line, place) => {
    if (!line.startsWith('@')) return [];
    const rule = /^@([\d.]+\/\d+)\s+([\d.]+\/\d+)\s+(\d+\s*:\s*\d+)\s+(\d+\s*:\s*\d+)\s+(\w+\/\w+)/.exec(line);
    if (rule === null)
      throw new Error(`${file}:${place + 1}: a rule is addresses, ports and protocol with tabs between, got "${line}"`);
    const [source = '', destination = '', sport = '', dport = '', protocol = ''] = rule.slice(1);
    const [number, mask] = protocol.split('/').map(Number);
    return [
      {
        source: prefix(source),
        destination: prefix(destination),
        sport: range(sport),
        dport: range(dport),
        protocol: mask === 0 ? null : number!,
      },
    ];
  });
}

function prefix(text: string): Prefix {
  const [address = '', length = '32'] = text.split('/');
  const word = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  return masked(word, Number(length));
}

function range(text: string): [number, number] {
  const [low = 0, high = 0] = text.split(':').map((one) => Number(one.trim()));
  return [low, high];
}

const masked = (address: number, length: number): Prefix => ({
  address: length === 0 ? 0 : (address & (0xffffffff << (32 - length))) >>> 0,
  length,
});

/** Shapes of rules: access lists name servers and services, firewalls leave much open, chains of IPC name pairs. */
export const classbenchShapes = ['acl', 'fw', 'ipc'] as const;
export type Shape = (typeof classbenchShapes)[number];

/** A set of `rules` different filters of one shape, the same for the same seed: the narrower first, as in ClassBench's files, so that few stand behind one that takes all of theirs. */
export function filterSet(shape: Shape, rules: number, seed = 1): FilterSet {
  const draw = new Draw(seed + rules);
  const networks = Array.from({ length: Math.max(8, rules >>> 4) }, () => masked(draw.word(), 8 + draw.below(17)));
  const seen = new Set<string>();
  const filters: Filter[] = [];
  while (filters.length < rules) {
    const one = drawFilter(shape, draw, networks);
    const key = JSON.stringify(one);
    if (seen.has(key) || narrowness(one) === 0) continue;
    seen.add(key);
    filters.push(one);
  }
  return { name: `${shape} ${rules}`, filters: filters.sort((one, other) => narrowness(other) - narrowness(one)) };
}

/** Bits of the 5-tuple that a filter asks for. */
function narrowness({ source, destination, sport, dport, protocol }: Filter): number {
  const bits = ([low, high]: readonly [number, number]): number => 16 - Math.log2(high - low + 1);
  return source.length + destination.length + bits(sport) + bits(dport) + (protocol === null ? 0 : 8);
}

const SERVICES = [20, 21, 22, 23, 25, 53, 80, 110, 123, 143, 161, 389, 443, 445, 993, 1433, 1521, 3306, 3389, 5432, 5632, 8080];

function drawFilter(shape: Shape, draw: Draw, networks: readonly Prefix[]): Filter {
  const open = shape === 'fw' ? 0.45 : shape === 'acl' ? 0.05 : 0.12;
  const source = draw.chance(shape === 'acl' ? 0.3 : open) ? masked(0, 0) : inside(draw, draw.pick(networks));
  const destination = draw.chance(open) ? masked(0, 0) : inside(draw, draw.pick(networks));
  const protocol = draw.chance(shape === 'fw' ? 0.2 : 0.1) ? null : draw.pick([TCP, TCP, TCP, TCP, UDP, UDP, ICMP]);
  const ported = protocol === TCP || protocol === UDP;
  const sport = ported && draw.chance(shape === 'acl' ? 0 : 0.25) ? ports(draw) : ANY;
  const dport = ported && draw.chance(0.85) ? ports(draw) : ANY;
  return { source, destination, sport, dport, protocol };
}

/** A longer prefix of a network: often one host. */
function inside(draw: Draw, { address, length }: Prefix): Prefix {
  const longer = draw.chance(0.4) ? 32 : Math.min(32, length + draw.below(33 - length));
  const host = length === 0 ? 0xffffffff : (2 ** (32 - length) - 1) >>> 0;
  return masked((address | (draw.word() & host)) >>> 0, longer);
}

function ports(draw: Draw): readonly [number, number] {
  if (draw.chance(0.75)) {
    const port = draw.pick(SERVICES);
    return [port, port];
  }
  if (draw.chance(0.6))
    return draw.pick([
      [1024, 65535],
      [0, 1023],
      [6000, 6063],
      [33434, 33523],
    ] as const);
  const low = draw.below(60000);
  return [low, low + draw.below(5000)];
}

/** iptables-save text: rules of even places drop, the others accept; what no rule takes is dropped. */
export function iptablesRules({ filters }: FilterSet): string {
  const rules = filters.map((filter, place) => `-A FORWARD${matches(filter)} -j ${place % 2 === 0 ? 'DROP' : 'ACCEPT'}`);
  return ['*filter', ':INPUT ACCEPT [0:0]', ':FORWARD DROP [0:0]', ':OUTPUT ACCEPT [0:0]', ...rules, 'COMMIT', ''].join('\n');
}

function matches({ source, destination, sport, dport, protocol }: Filter): string {
  const words = [
    source.length === 0 ? '' : ` -s ${dotted(source)}`,
    destination.length === 0 ? '' : ` -d ${dotted(destination)}`,
    protocol === null ? '' : ` -p ${protocol}`,
  ];
  if (protocol !== TCP && protocol !== UDP) return words.join('');
  const asked = [portsWord('sport', sport), portsWord('dport', dport)].join('');
  return words.join('') + (asked === '' ? '' : ` -m ${protocol === TCP ? 'tcp' : 'udp'}${asked}`);
}

const dotted = ({ address, length }: Prefix): string =>
  `${[24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')}/${length}`;

const portsWord = (name: string, [low, high]: readonly [number, number]): string =>
  low === 0 && high === 0xffff ? '' : ` --${name} ${low}:${high}`;

/** Words of a packet: source, destination, ports, protocol. */
export const TUPLE_WORDS = 5;

/** `count` packets, five words each: any rule's as often as any other's, drawn within its ranges. No two in a row have anything to do with each other. */
export function tuplesFor({ filters }: FilterSet, count: number, seed = 1): Uint32Array {
  return tuplesOf(count, new Draw(seed), (draw) => draw.pick(filters));
}

/** The same, but a few rules have most of the packets (Zipf): the n-th of them, in an order that has nothing to do with theirs and is the same for every seed, one n-th of the first one's. */
export function skewedTuplesFor({ filters }: FilterSet, count: number, seed = 1): Uint32Array {
  const order = shuffled(filters, new Draw(filters.length));
  const sums = new Float64Array(order.length);
  for (let place = 0; place < order.length; place++) sums[place] = (sums[place - 1] ?? 0) + 1 / (place + 1);
  return tuplesOf(count, new Draw(seed), (draw) => {
    const point = (draw.word() / 2 ** 32) * sums.at(-1)!;
    return order[sums.findIndex((sum) => point < sum)]!;
  });
}

function shuffled<T>(list: readonly T[], draw: Draw): T[] {
  const left = [...list];
  return list.map(() => {
    const place = draw.below(left.length);
    const taken = left[place]!;
    left[place] = left.at(-1)!;
    left.pop();
    return taken;
  });
}

function tuplesOf(count: number, draw: Draw, filterOf: (draw: Draw) => Filter): Uint32Array {
  const words = new Uint32Array(count * TUPLE_WORDS);
  for (let index = 0; index < count; index++) {
    const { source, destination, sport, dport, protocol } = filterOf(draw);
    const number = protocol ?? draw.pick([TCP, UDP]);
    const ported = number === TCP || number === UDP;
    words.set(
      [
        addressIn(draw, source),
        addressIn(draw, destination),
        ported ? portIn(draw, sport) : 0,
        ported ? portIn(draw, dport) : 0,
        number,
      ],
      index * TUPLE_WORDS,
    );
  }
  return words;
}

/** Packets of TCP and UDP drawn from all there are, as those of a scan: hardly any rule of addresses takes one. */
export function strangeTuples(count: number, seed = 2): Uint32Array {
  const draw = new Draw(seed);
  const words = new Uint32Array(count * TUPLE_WORDS);
  for (let index = 0; index < count; index++) {
    const ports = draw.word();
    words.set([draw.word(), draw.word(), ports >>> 16, ports & 0xffff, draw.pick([TCP, UDP])], index * TUPLE_WORDS);
  }
  return words;
}

function addressIn(draw: Draw, { address, length }: Prefix): number {
  const host = length === 0 ? 0xffffffff : (2 ** (32 - length) - 1) >>> 0;
  return (address | (draw.word() & host)) >>> 0;
}

const portIn = (draw: Draw, [low, high]: readonly [number, number]): number => low + draw.below(high - low + 1);
