/** What generators of several extensions draw. */
import type { Family } from '../model/ruleset.ts';
import type { Draw, Pools } from './extension.ts';

/** An address of the pool that is of the family. */
export function addressOf(draw: Draw, pools: Pools, family: Family): string {
  const addresses = pools.addresses.filter((text) => text.includes(':') === (family === 6) && !text.includes('/'));
  return addresses.length > 0 ? draw.pick(addresses) : family === 4 ? '10.0.0.1' : '2001:db8::1';
}
