/** Traffic that wants to hurt: connections whose tuples collide in the table for who does not draw a key, and a flood of SYNs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { instantiate } from '@assemblyscript/loader';
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

/** As hostWorkload's 20 rules, all connections in one bucket if the hash had no key. */
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
  return {
    name: `20 rules, ${flows.toLocaleString('en-US')} flows that collide`,
    capture: tcpTraffic(packets, ends),
    packets,
    job,
  };
}

/** Every packet opens a connection. */
export function floodWorkload(packets: number): Workload {
  return { ...hostWorkload(packets, packets), name: `20 rules, a flood of ${packets.toLocaleString('en-US')} SYNs` };
}
