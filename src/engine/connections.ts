/** The engine's tables of connections and of what helpers expect as entries. */
import * as abi from '../abi/connections.ts';
import { TRACKING_SEED } from '../abi/conntrack.ts';
import { CT_ZONE_ORIGINAL, CT_ZONE_REPLY } from '../abi/effects.ts';
import { STATUS_ASSURED, STATUS_SEEN_REPLY } from '../abi/fields.ts';
import { HELPER_NONE } from '../abi/helpers.ts';
import { formatAddress } from '../model/address.ts';
import {
  drawnEnds,
  SCTP_STATE_WORDS,
  sortConnections,
  sortExpectations,
  TCP_STATE_WORDS,
  zoneWord,
} from '../model/connections.ts';
import { helperName } from '../model/helpers.ts';
import type { ConntrackEntry, ConntrackExpectation, ConntrackTuple, TupleEnd } from '../model/outcome.ts';
import type { EngineExports } from './loader.ts';

const TCP = 6;
const ICMP = 1;
const ICMPV6 = 58;
const SCTP = 132;

/** What the engine mixes into the hashes of connections: two u32, the low one first. No result depends on it, but in which bucket a connection lies does. */
export type HashKey = readonly [low: number, high: number];

/** A key that nobody knows before, as the kernel has one (nf_conntrack_hash_rnd): no capture can be written whose tuples collide. */
export function drawHashKey(): HashKey {
  const word = (): number => Math.floor(Math.random() * 2 ** 32);
  return [word(), word()];
}

/** Puts a key into a parameter block of abi/conntrack.ts, in place; little-endian. */
export function putHashKey(tracking: Uint8Array, key: HashKey): void {
  new Uint32Array(tracking.buffer, tracking.byteOffset + TRACKING_SEED, 2).set(key);
}

/** Entries that live at `now` (jiffies since the epoch), sorted. `block`: CONNECTION_SIZE bytes of the engine's memory to read them from. */
export function listConnections(engine: EngineExports, block: number, now: bigint, hz: number): ConntrackEntry[] {
  const view = new DataView(engine.memory.buffer, block, abi.CONNECTION_SIZE);
  const entries: ConntrackEntry[] = [];
  const places = engine.connectionPlaces() >>> 0;
  for (let place = 0; place < places; place++) {
    if (engine.describeConnection(place, block) === 0) continue;
    const left = view.getBigInt64(abi.CONNECTION_TIMEOUT, true) - now;
    if (left > 0n) entries.push(readConnection(view, Number(left / BigInt(hz))));
  }
  return sortConnections(entries);
}

function readConnection(view: DataView, timeout: number): ConntrackEntry {
  const word = (at: number): number => view.getUint32(at, true);
  const family = word(abi.CONNECTION_FAMILY) === 4 ? 4 : 6;
  const protocol = word(abi.CONNECTION_PROTOCOL);
  const status = word(abi.CONNECTION_STATUS);
  const helper = word(abi.CONNECTION_HELPER);
  return {
    family,
    protocol,
    timeout,
    ...stateOf(protocol, word(abi.CONNECTION_TCP_STATE)),
    original: { ...readTuple(view, abi.CONNECTION_ENDS, family, protocol), ...readCounters(view, 0) },
    reply: { ...readTuple(view, abi.CONNECTION_ENDS + 2 * abi.END_SIZE, family, protocol), ...readCounters(view, 1) },
    unreplied: (status & STATUS_SEEN_REPLY) === 0,
    assured: (status & STATUS_ASSURED) !== 0,
    mark: word(abi.CONNECTION_MARK),
    ...(word(abi.CONNECTION_ZONE) === 0
      ? {}
      : { zones: [zoneWord(word(abi.CONNECTION_ZONE), zoneOf(word(abi.CONNECTION_ZONE_OF)))] }),
    ...(helper === HELPER_NONE ? {} : { helper: helperName(helper) }),
    ...(word(abi.CONNECTION_DRAWN) === 0 ? {} : { drawn: drawnEnds(word(abi.CONNECTION_DRAWN)) }),
  };
}

/** Which directions CT_ZONE_* mean. */
const zoneOf = (bits: number): 'both' | 'original' | 'reply' =>
  bits === CT_ZONE_ORIGINAL ? 'original' : bits === CT_ZONE_REPLY ? 'reply' : 'both';

/** What helpers expect at `now` (jiffies since the epoch), sorted. `block`: EXPECTATION_SIZE bytes of the engine's memory to read them from. */
export function listExpectations(engine: EngineExports, block: number, now: bigint, hz: number): ConntrackExpectation[] {
  const view = new DataView(engine.memory.buffer, block, abi.EXPECTATION_SIZE);
  const expectations: ConntrackExpectation[] = [];
  for (let one = engine.nextExpectation(0) >>> 0; one !== 0; one = engine.nextExpectation(one) >>> 0) {
    if (engine.describeExpectation(one, now, block) === 0) continue;
    const left = view.getBigInt64(abi.EXPECTATION_TIMEOUT, true) - now;
    expectations.push(readExpectation(view, Number(left / BigInt(hz))));
  }
  return sortExpectations(expectations);
}

function readExpectation(view: DataView, timeout: number): ConntrackExpectation {
  const word = (at: number): number => view.getUint32(at, true);
  const family = word(abi.EXPECTATION_FAMILY) === 4 ? 4 : 6;
  const end = (index: number): TupleEnd => readEnd(view, abi.EXPECTATION_ENDS + index * abi.END_SIZE, family);
  const flags = word(abi.EXPECTATION_FLAGS);
  const helper = word(abi.EXPECTATION_HELPER);
  return {
    protocol: word(abi.EXPECTATION_PROTOCOL),
    timeout,
    tuple: { source: end(0), destination: end(1) },
    mask: { source: end(2), destination: { address: formatAddress(EXACTLY[family]), port: 0xffff } },
    master: { source: end(3), destination: end(4) },
    class: word(abi.EXPECTATION_CLASS),
    flags: [
      ...(flags & abi.EXPECTATION_FLAG_PERMANENT ? ['PERMANENT'] : []),
      ...(flags & abi.EXPECTATION_FLAG_INACTIVE ? ['INACTIVE'] : []),
    ],
    ...(helper === HELPER_NONE ? {} : { helper: helperName(helper) }),
  };
}

/** Destinations are expected as they are. */
const EXACTLY = { 4: [0xffffffff], 6: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff] } as const;

/** Only of protocols that have states. */
function stateOf(protocol: number, state: number): { state?: string } {
  const words = protocol === TCP ? TCP_STATE_WORDS : protocol === SCTP ? SCTP_STATE_WORDS : undefined;
  return words === undefined ? {} : { state: words[state]! };
}

/** Packets and bytes of a direction, where they are counted. */
function readCounters(view: DataView, direction: number): { packets?: number; bytes?: number } {
  if (view.getUint32(abi.CONNECTION_ACCOUNTED, true) === 0) return {};
  const at = abi.CONNECTION_COUNTERS + direction * 16;
  return { packets: Number(view.getBigUint64(at, true)), bytes: Number(view.getBigUint64(at + 8, true)) };
}

function readTuple(view: DataView, at: number, family: 4 | 6, protocol: number): ConntrackTuple {
  const source = readEnd(view, at, family);
  const destination = readEnd(view, at + abi.END_SIZE, family);
  if (protocol !== ICMP && protocol !== ICMPV6) return { source, destination };
  return { source, destination: { ...destination, port: 0 }, type: destination.port >>> 8, code: destination.port & 255 };
}

function readEnd(view: DataView, at: number, family: 4 | 6): TupleEnd {
  const words = Array.from({ length: family === 4 ? 1 : 4 }, (_, index) => view.getUint32(at + index * 4, true));
  return { address: formatAddress(words), port: view.getUint32(at + abi.END_PORT, true) };
}
