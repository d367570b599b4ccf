/** Traffic that wants to hurt: connections whose tuples collide in the table of an engine that has drawn no key (whose key is 0), and a flood of SYNs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { instantiate } from '@assemblyscript/loader';
import { drawHashKey } from '../src/engine/connections.ts';
import type { HashKey } from '../src/engine/index.ts';
import { bucketLoads, longestRun } from './buckets.ts';
import { hostWorkload, type Workload } from './suite.ts';
import { type Ends, SERVER_WORD, tcpTraffic } from './traffic.ts';

interface CollideModule {
  OUTPUT: { value: number };
  collide(server: number, service: number, client: number, count: number, bits: number): void;
}

const SERVICE = 443;
const FIRST_CLIENT = 0x0b000000;
/** As many buckets as a table of 20,000 connections has. */
const BITS = 13;

/** The key that those who make tuples collide have to know. */
export const KNOWN_KEY: HashKey = [0, 0];
/** How many times as many buckets have to be in the way with the known key as with a drawn one. */
const CLEARLY = 10;

/**
 * As hostWorkload's 20 rules, all connections in one bucket with KNOWN_KEY. Throws when they are not: when there are not many times as many full buckets in a row as with a drawn key.
 */
export async function collidingWorkload(root: string, packets: number, flows: number): Promise<Workload> {
  const { exports } = await instantiate(readFileSync(join(root, 'build/collide.wasm')));
  const finder = exports as unknown as CollideModule & typeof exports;
  finder.collide(SERVER_WORD, SERVICE, FIRST_CLIENT, flows, BITS);
  const words = new Uint32Array(exports.memory!.buffer, finder.OUTPUT.value, flows * 2);
  const ends: Ends[] = Array.from({ length: flows }, (_, index) => ({
    client: words[index * 2]!,
    port: words[index * 2 + 1]!,
    service: SERVICE,
  }));
  const { job } = hostWorkload(0, 1);
  const opened = tcpTraffic(flows, ends);
  const module = readFileSync(join(root, 'build/engine.wasm'));
  const runWith = async (key: HashKey): Promise<number> => longestRun(await bucketLoads(module, job, opened, key));
  const [known, drawn] = [await runWith(KNOWN_KEY), await runWith(drawHashKey())];
  if (known < CLEARLY * Math.max(1, drawn))
    throw new Error(`nothing collides: at worst ${known} full buckets in a row with the known key, ${drawn} with a drawn one`);
  return {
    name: `20 rules, ${flows.toLocaleString('en-US')} flows made to collide`,
    capture: tcpTraffic(packets, ends),
    packets,
    job,
  };
}

/** Every packet opens a connection. */
export function floodWorkload(packets: number): Workload {
  return { ...hostWorkload(packets, packets), name: `20 rules, a flood of ${packets.toLocaleString('en-US')} SYNs` };
}
