/** A tiny evaluator of the predicate language, written from model/predicate.ts and abi/special.ts. */

import { FIELD_CT_STATE, STATUS_DST_NAT, STATUS_SRC_NAT } from '../../src/abi/fields.ts';
import {
  CONNTRACK_STATE_DNAT,
  CONNTRACK_STATE_SNAT,
  SPECIAL_ACCOUNT,
  SPECIAL_ADDRTYPE_DEVICE,
  SPECIAL_CLUSTER,
  SPECIAL_CONNBYTES,
  SPECIAL_CONNLABEL,
  SPECIAL_CONNMARK,
  SPECIAL_CONNTRACK,
  SPECIAL_HELPER,
  SPECIAL_LIMIT,
  SPECIAL_LIMIT_NFT,
  SPECIAL_NTH,
  SPECIAL_QUOTA,
  SPECIAL_RANDOM,
  SPECIAL_REVERSE_PATH,
  SPECIAL_SCTP_CHUNKS,
  SPECIAL_TCP_OPTION,
  TEST_HOTDROP_MATCHED,
} from '../../src/abi/special.ts';
import { HELPERS } from '../../src/model/helpers.ts';
import type { Test } from '../../src/model/predicate.ts';
import type { Family, Words } from '../../src/model/ruleset.ts';
import { jhash2 } from '../../src/packet/jhash.ts';
import type { PacketView } from '../../src/packet/view.ts';
import { BYTE_TESTS } from './interpret-bytes.ts';

export type Answer = boolean | 'hotdrop' | 'hotdrop-matched';

/** What special tests need besides the fields. */
export interface Surroundings {
  packet: PacketView;
  hz: number;
  typeOf(family: Family, address: Words, device: string): number;
  /** One object a test, kept from packet to packet. */
  states: Map<Test, bigint[]>;
  /** Of the way back to the packet's source, as evaluate is told. */
  leadsBack?(packet: PacketView, wanted: { loose: boolean; acceptLocal: boolean }): boolean;
  /** The same numbers as evaluate is given. */
  random?: () => number;
}

export function interpret(tests: readonly Test[], fields: Uint32Array, around: Surroundings): Answer {
  for (const test of tests) {
    const answer = one(test, fields, around);
    if (answer === 'hotdrop' || answer === 'hotdrop-matched') return answer;
    if (!answer) return 'onFail' in test && test.onFail === 'hotdrop' ? 'hotdrop' : false;
  }
  return true;
}

function one(test: Test, fields: Uint32Array, around: Surroundings): Answer {
  switch (test.kind) {
    case 'constant':
      return test.value;
    case 'range':
      return (fields[test.field]! >= test.low && fields[test.field]! <= test.high) !== test.invert;
    case 'mask':
      return ((fields[test.field]! & test.mask) >>> 0 === test.value) !== test.invert;
    case 'ranges': {
      const hit = test.fields.some((field) => test.ranges.some(([low, high]) => fields[field]! >= low && fields[field]! <= high));
      return hit !== test.invert;
    }
    case 'words':
      return test.mask.every((mask, i) => (fields[test.field + i]! & mask) >>> 0 === test.value[i]) !== test.invert;
    case 'wordRange': {
      const big = (words: Iterable<number>): bigint => [...words].reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
      const value = big(fields.subarray(test.field, test.field + test.low.length));
      return (value >= big(test.low) && value <= big(test.high)) !== test.invert;
    }
    case 'special':
      return special(test, fields, around);
  }
}

function special(test: Test & { kind: 'special' }, fields: Uint32Array, around: Surroundings): Answer {
  switch (test.code) {
    case SPECIAL_TCP_OPTION:
      return tcpOption(around.packet.transport, test.parameters);
    case SPECIAL_REVERSE_PATH:
      return reversePath(around, test.parameters);
    case SPECIAL_CONNTRACK:
      return conntrack(fields, around.packet, test.parameters);
    case SPECIAL_SCTP_CHUNKS:
      return sctpChunks(around.packet.transport, test.parameters);
    case SPECIAL_CONNBYTES:
      return connbytes(around.packet, test.parameters);
    case SPECIAL_CONNLABEL: {
      const [label, invert, set] = test.parameters as [number, number, number];
      const labels = around.packet.connection?.labels ?? null;
      if (labels === null) return invert === 1;
      if (set === 1) labels.add(label);
      return labels.has(label) !== (invert === 1);
    }
    case SPECIAL_CONNMARK: {
      const [mark, mask, invert] = test.parameters as [number, number, number];
      const { connection } = around.packet;
      return connection !== null && ((connection.mark & mask) >>> 0 === mark) !== (invert === 1);
    }
    case SPECIAL_CLUSTER: {
      const [nodes, mask, seed, invert] = test.parameters as [number, number, number, number];
      const { connection } = around.packet;
      if (connection === null) return false;
      const [word = 0] = connection.original.source;
      const network = new DataView(Uint32Array.of(word).buffer).getUint32(0);
      const node = Number((BigInt(jhash2([network], seed)) * BigInt(nodes)) >> 32n);
      return ((mask >>> node) & 1) !== invert;
    }
    case SPECIAL_HELPER: {
      const [fitting, invert] = test.parameters as [number, number];
      const master = around.packet.connection?.masterHelper ?? null;
      const number = HELPERS.find(({ name }) => name === master)?.number;
      if (number === undefined) return invert === 1;
      return ((fitting >> number) & 1) !== invert;
    }
    case SPECIAL_ACCOUNT:
      return true;
    case SPECIAL_LIMIT:
      return limit(test, around);
    case SPECIAL_LIMIT_NFT:
      return limitNft(test, around);
    case SPECIAL_NTH:
      return nth(test, around);
    case SPECIAL_RANDOM:
      return around.random!() % 2 ** 31 < test.parameters[0]! === (test.parameters[1] === 0);
    case SPECIAL_QUOTA:
      return quota(test, around);
    case SPECIAL_ADDRTYPE_DEVICE:
      return addrtype(around, test.parameters);
    default: {
      const judge = BYTE_TESTS.get(test.code);
      if (judge === undefined) throw new Error(`special test ${test.code}`);
      return judge(test.parameters, around.packet);
    }
  }
}

function connbytes({ connection }: PacketView, parameters: readonly number[]): Answer {
  if (connection === null || connection.counters === null) return false;
  const [what, direction, fromLow = 0, fromHigh = 0, toLow = 0, toHigh = 0] = parameters;
  const sides: readonly { packets: number; bytes: number }[] =
    direction === 2 ? connection.counters : [connection.counters[direction as 0 | 1]];
  const packets = sides.reduce((sum, side) => sum + side.packets, 0);
  const bytes = sides.reduce((sum, side) => sum + side.bytes, 0);
  const value = BigInt([packets, bytes, packets === 0 ? 0 : Math.floor(bytes / packets)][what!]!);
  const wide = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  const [from, to] = [wide(fromLow, fromHigh), wide(toLow, toHigh)];
  return from <= to ? value >= from && value <= to : value < to || value > from;
}

/** Walks the chunks as often as there are kinds asked for: plainly from the words of abi/special.ts. */
function sctpChunks(transport: Uint8Array, [way, invert, malformed, ...more]: readonly number[]): Answer {
  const conditions = more.slice(8).filter((each) => each >>> 0 !== 0xffffffff);
  const bad = malformed === TEST_HOTDROP_MATCHED ? 'hotdrop-matched' : 'hotdrop';
  const seen: { type: number; fits: boolean }[] = [];
  for (let at = 12; seen.length === 0 || at < transport.length; ) {
    const length = at + 4 <= transport.length ? transport[at + 2]! * 256 + transport[at + 3]! : 0;
    if (length === 0) return bad;
    const [type, flags] = [transport[at]!, transport[at + 1]!];
    const condition = conditions.find((each) => each >>> 16 === type);
    const asked = ((more[type >> 5]! >>> (type & 31)) & 1) === 1;
    const fits = asked && (condition === undefined || (flags & ((condition >> 8) & 255)) === (condition & 255));
    seen.push({ type, fits });
    if (way === 0 && fits) return invert === 0;
    if (way === 2 && !fits) return invert === 1;
    at += Math.ceil(length / 4) * 4;
  }
  const wanted = Array.from({ length: 256 }, (_, type) => type).filter((type) => ((more[type >> 5]! >>> (type & 31)) & 1) === 1);
  const all = wanted.every((type) => seen.some((each) => each.type === type && each.fits));
  return (way === 2 || (way === 1 && all)) !== (invert === 1);
}

function tcpOption(transport: Uint8Array, [kind, invert]: readonly number[]): Answer {
  const end = (transport[12]! >> 4) * 4;
  if (end < 20) return 'hotdrop';
  if (end > 20 && transport.length < end) return 'hotdrop';
  for (let i = 20; i < end; ) {
    if (transport[i] === kind) return invert === 0;
    if (transport[i]! < 2 || i === end - 1) i += 1;
    else i += Math.max(1, transport[i + 1]!);
  }
  return invert === 1;
}

/** Flag bits by their place, as abi/special.ts lists them. */
function conntrack(fields: Uint32Array, packet: PacketView, parameters: readonly number[]): Answer {
  const [flags, inverts, states, status, direction, protocol, expireLow, expireHigh, ...rest] = parameters as number[];
  const asks = (bit: number): boolean => (flags! & bit) !== 0;
  const fails = (bit: number, holds: boolean): boolean => asks(bit) && holds === ((inverts! & bit) !== 0);
  const { connection } = packet;
  let state = 1 << fields[FIELD_CT_STATE]!;
  if (connection !== null && connection.status & STATUS_SRC_NAT) state |= CONNTRACK_STATE_SNAT;
  if (connection !== null && connection.status & STATUS_DST_NAT) state |= CONNTRACK_STATE_DNAT;
  if (fails(1, (state & states!) !== 0)) return false;
  if (connection === null) return asks(1);
  const tuples = [connection.original, connection.original, connection.reply, connection.reply];
  if (fails(4096, (packet.direction === 'REPLY' ? 1 : 0) === direction)) return false;
  if (fails(2, connection.original.protocol === protocol)) return false;
  for (const [i, tuple] of tuples.entries()) {
    const address = i % 2 === 0 ? tuple.source : tuple.destination;
    const port = i % 2 === 0 ? tuple.sourcePort : tuple.destinationPort;
    const value = rest.slice(i * 8, i * 8 + 4);
    const mask = rest.slice(i * 8 + 4, i * 8 + 8);
    if (
      fails(
        4 << i,
        mask.every((word, w) => ((address[w] ?? 0) & word) >>> 0 === value[w]),
      )
    )
      return false;
    if (fails(256 << i, port >= rest[32 + i * 2]! && port <= rest[33 + i * 2]!)) return false;
  }
  if (fails(64, (connection.status & status!) !== 0)) return false;
  return !fails(128, connection.expires >= expireLow! && connection.expires <= expireHigh!);
}

function limit(test: Test & { kind: 'special' }, { packet, hz, states }: Surroundings): boolean {
  const [cost, cap] = test.parameters.map(BigInt) as [bigint, bigint];
  const perJiffy = { 100: 256n, 250: 128n, 300: 128n, 1000: 32n }[hz]!;
  const now = (packet.time * BigInt(hz)) / 1_000_000_000n;
  const [credit, previous] = states.get(test) ?? [cap, now];
  let have = BigInt.asUintN(32, credit! + BigInt.asUintN(32, (now - previous!) * perJiffy));
  if (have > cap) have = cap;
  const pays = have >= cost;
  states.set(test, [pays ? have - cost : have, now]);
  return pays;
}

function limitNft(test: Test & { kind: 'special' }, { packet, states }: Surroundings): boolean {
  const [a, b, c, d] = test.parameters.map(BigInt) as [bigint, bigint, bigint, bigint];
  const [cost, most] = [a | (b << 32n), c | (d << 32n)];
  const [tokens, last] = states.get(test) ?? [most, packet.time];
  let have = BigInt.asUintN(64, tokens! + packet.time - last!);
  if (have > most) have = most;
  const pays = have >= cost;
  states.set(test, [pays ? have - cost : have, packet.time]);
  return pays;
}

function nth(test: Test & { kind: 'special' }, { states }: Surroundings): boolean {
  const [last, start, invert] = test.parameters.map(BigInt) as [bigint, bigint, bigint];
  const [counter] = states.get(test) ?? [start];
  const next = (counter! + 1n) % (last + 1n);
  states.set(test, [next]);
  return (next === 0n) === (invert === 0n);
}

function quota(test: Test & { kind: 'special' }, { packet, states }: Surroundings): boolean {
  const [low, high, invert] = test.parameters.map(BigInt) as [bigint, bigint, bigint];
  const [left] = states.get(test) ?? [low + (high << 32n)];
  const rest = left! - BigInt(packet.length);
  states.set(test, [rest < 0n ? 0n : rest]);
  return rest >= 0n === (invert === 0n);
}

function addrtype({ packet, typeOf }: Surroundings, [source, destination, inverted, out]: readonly number[]): boolean {
  const device = out === 1 ? packet.outInterface : packet.inInterface;
  const holds = (mask: number, address: Words, bit: number): boolean =>
    mask === 0 || ((mask & (1 << typeOf(packet.family, address, device))) !== 0) !== ((inverted! & bit) !== 0);
  return holds(source!, packet.source, 1) && holds(destination!, packet.destination, 2);
}

function reversePath({ packet, leadsBack }: Surroundings, [loose, acceptLocal, invert]: readonly number[]): boolean {
  const { family, source, destination, inInterface } = packet;
  const [to = 0] = destination;
  const nowhere =
    family === 6 ? source.every((word) => word === 0) : source[0] === 0 && (to === 0xffffffff || to >>> 8 === 0xe00000);
  const back = leadsBack?.(packet, { loose: loose === 1, acceptLocal: acceptLocal === 1 }) ?? false;
  return (inInterface === 'lo' || nowhere || back) !== (invert === 1);
}
