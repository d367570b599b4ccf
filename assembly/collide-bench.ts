/**
 * Ends of connections that meet in one bucket of the table of connections, as somebody finds them who reads its source and knows everything but the key that each engine draws:
 * the key is 0 here. For the bench; nothing else compiles this.
 */
import { keyHash, keyIPv4 } from './conntrack/tuple';

const TCP: u32 = 6;
const FIRST_PORT: u32 = 1024;
const LAST_PORT: u32 = 65535;

/** Ends go here: u32 address, u32 port each. */
export const OUTPUT: usize = __heap_base;

/** Writes `count` ends of connections to one service, from clients from `client` on, whose hashes have 0 in their upper `bits`. */
export function collide(server: u32, service: u32, client: u32, count: u32, bits: u32): void {
  const pages = ((OUTPUT + (count as usize) * 8 + 0xffff) >>> 16) as i32;
  if (pages > memory.size()) memory.grow(pages - memory.size());
  let at = OUTPUT;
  const end = at + (count as usize) * 8;
  for (; at < end; client++) {
    for (let port = FIRST_PORT; port <= LAST_PORT && at < end; port++) {
      keyIPv4(client, server, port, service, TCP);
      if (keyHash >>> (32 - bits) !== 0) continue;
      store<u32>(at, client);
      store<u32>(at, port, 4);
      at += 8;
    }
  }
}
