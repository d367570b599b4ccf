/** The key of the hash of connections: drawn unless given, in the engine's memory, and what decides where connections lie. */
import { beforeAll, expect, test } from 'vitest';
import { bucketLoads, longestRun } from '../../../bench/buckets.ts';
import { tcpTraffic } from '../../../bench/traffic.ts';
import { TRACKING_SEED } from '../../../src/abi/conntrack.ts';
import { compile } from '../../../src/compile/index.ts';
import { type HashKey, readImage } from '../../../src/engine/index.ts';
import { loadEngine } from '../../../src/engine/loader.ts';
import { EngineSession } from '../../../src/engine/session.ts';
import { hashKeyOf } from '../../../src/fuzz/hash-key.ts';
import { buildHost } from '../../../src/model/host-build.ts';
import type { PacketOutcome } from '../../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import { engineSession } from '../../../src/replay/engine-session.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { engineModule } from './wasm.ts';

/** Of bench/traffic.ts. */
const SERVER = 0x0a010203;
const SERVICE = 443;
const CLIENT = 0x0b000001;
/** As many as 60 buckets hold, of the 1,024 that the table has for so many. */
const FLOWS = 420;
const BITS = 10;
const KEY_SIZE = 8;

const RULES = `*filter
:INPUT DROP [0:0]
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -p tcp --dport 443 --syn -j ACCEPT
COMMIT
`;
const job = {
  rules: { 4: parseSave(RULES, { file: 'test', family: 4 }) },
  host: buildHost({ local: ['10.1.2.3'], in: 'eth0' }),
  profile: DEFAULT_PROFILE,
};
let wasm: object;

beforeAll(() => {
  wasm = engineModule('release');
});

/** The keys in the memory of a new engine: behind every copy of the job's parameters of connection tracking, which are the same but for the key. */
async function keysInMemory(hashKey?: HashKey): Promise<string[]> {
  const [engine, image] = [await loadEngine(wasm), compile(job)];
  new EngineSession(engine, image, { path: false, ...(hashKey && { hashKey }) });
  const block = Buffer.from(readImage(image.bytes).conntrack);
  const memory = Buffer.from(engine.memory.buffer);
  const [head, tail] = [block.subarray(0, TRACKING_SEED), block.subarray(TRACKING_SEED + KEY_SIZE)];
  const keys: string[] = [];
  for (let at = memory.indexOf(head); at >= 0; at = memory.indexOf(head, at + 1)) {
    const key = at + TRACKING_SEED;
    const behind = memory.subarray(key + KEY_SIZE, at + block.length);
    if (behind.equals(tail)) keys.push(`${memory.readUInt32LE(key)} ${memory.readUInt32LE(key + 4)}`);
  }
  return keys;
}

test('every engine draws a key of its own, unless one is given', async () => {
  const [first, second] = [await keysInMemory(), await keysInMemory()];
  expect(first.length).toBeGreaterThan(0);
  expect(new Set(first).size).toBe(1);
  expect(new Set(second).size).toBe(1);
  expect(first[0]).not.toBe('0 0');
  expect(second[0]).not.toBe(first[0]);
  expect(new Set(await keysInMemory([7, 0xfffffff9]))).toEqual(new Set(['7 4294967289']));
});

/** Clients' ports whose connections have 0 in the upper BITS of their hash when the key is 0: the hash of assembly/conntrack/tuple.ts, written anew. */
function collidingPorts(): number[] {
  const word = (value: bigint): bigint => BigInt.asUintN(64, value);
  const mix = (hash: bigint, value: bigint): bigint => {
    const product = word((hash ^ value) * 0x9e3779b97f4a7c15n);
    return product ^ (product >> 32n);
  };
  const server = (BigInt(SERVER) << 16n) | BigInt(SERVICE) | (6n << 48n) | (4n << 56n);
  const ports: number[] = [];
  // Every 1024th port of a client collides.
  for (let port = 0; ports.length < FLOWS; port++) {
    const client = (BigInt(CLIENT + (port >> 16)) << 16n) | BigInt(port & 0xffff);
    const hash = word(mix(mix(0n, server), client) * 0xd6e8feb86659fd93n) >> 32n;
    if (hash >> BigInt(32 - BITS) === 0n) ports.push(port);
  }
  return ports;
}

test('tuples made to collide for key 0 lie behind each other with key 0, and apart with a drawn one; no result depends on it', async () => {
  const ends = collidingPorts().map((port) => ({ client: CLIENT + (port >> 16), port: port & 0xffff, service: SERVICE }));
  const capture = tcpTraffic(4 * FLOWS, ends);
  const known = await bucketLoads(wasm, job, capture, [0, 0]);
  expect(known).toHaveLength(1 << BITS);
  expect(longestRun(known)).toBe(60);
  expect([...known.subarray(60)].every((load) => load === 0)).toBe(true);
  const [low = 0, high = 0] = (await keysInMemory())[0]!.split(' ').map(Number);
  const drawn = await bucketLoads(wasm, job, capture, [low, high]);
  expect(longestRun(drawn), `key ${low} ${high}`).toBeLessThan(6);
  expect(drawn.reduce((sum, load) => sum + load)).toBe(FLOWS);

  const said = async (hashKey: HashKey) => {
    const outcomes: PacketOutcome[] = [];
    const session = await engineSession(job, { hashKey, onPacket: (outcome) => outcomes.push(outcome) });
    session.startCapture('memory');
    session.feed(capture);
    session.endCapture();
    return { outcomes, connections: session.connections(), result: session.result() };
  };
  expect(await said([low, high])).toEqual(await said([0, 0]));
});

test('the same case has the same key, other rules another', () => {
  const again = { ...job, rules: { 4: parseSave(RULES, { file: 'elsewhere', family: 4 }) } };
  const other = { ...job, rules: { 4: parseSave(RULES.replace('443', '444'), { file: 'test', family: 4 }) } };
  expect(hashKeyOf(again)).toEqual(hashKeyOf(job));
  expect(hashKeyOf(other)).not.toEqual(hashKeyOf(job));
});
