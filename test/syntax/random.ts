/** Random rules from the registry's own generators, deterministic under a seed. */
import type { Draw, Pools } from '../../src/extensions/extension.ts';
import { extensions } from '../../src/extensions/index.ts';
import { protocolName } from '../../src/model/names.ts';
import { quoteWord } from '../../src/syntax/index.ts';

/** A small generator (mulberry32): the same seed gives the same rules everywhere. */
export function seeded(seed: number): Draw {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const integer = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    integer,
    pick: (choices) => choices[integer(0, choices.length - 1)] as (typeof choices)[number],
    chance: (probability = 0.5) => next() < probability,
  };
}

export const POOLS: Record<4 | 6, Pools> = {
  4: {
    addresses: [
      '10.0.0.1',
      '10.0.0.2',
      '192.168.1.0/24',
      '10.0.0.0/8',
      '0.0.0.0/0',
      '255.255.255.255',
      '224.0.0.1',
      '1.2.3.4/255.0.255.0',
    ],
    ports: [0, 1, 22, 80, 443, 1024, 65535],
    interfaces: ['eth0', 'eth1', 'eth+', 'lo', '+'],
    marks: [0, 1, 0xff, 0xffffffff],
    macs: ['00:11:22:33:44:55', 'ff:ff:ff:ff:ff:ff'],
  },
  6: {
    addresses: ['fd00::1', 'fd00::2', 'fd00::/64', '::1', 'ff02::1', '::/0', 'fd00::/ffff:0:ffff::'],
    ports: [0, 1, 22, 80, 443, 1024, 65535],
    interfaces: ['eth0', 'eth1', 'eth+', 'lo', '+'],
    marks: [0, 1, 0xff, 0xffffffff],
    macs: ['00:11:22:33:44:55', 'ff:ff:ff:ff:ff:ff'],
  },
};

const CHAINS: Record<string, readonly string[]> = {
  raw: ['PREROUTING', 'OUTPUT', 'u1'],
  mangle: ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING', 'u1'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT', 'u1'],
};

/** One random rule with its table: `-A CHAIN ...`. It may well be one that iptables refuses. */
export function randomRule(draw: Draw, family: 4 | 6): { table: string; text: string } {
  const table = draw.pick(['raw', 'mangle', 'filter', 'filter']);
  const chain = draw.pick(CHAINS[table] ?? []);
  const words = ['-A', chain];
  const not = () => (draw.chance(0.2) ? ['!'] : []);
  const pools = POOLS[family];
  if (draw.chance(0.3)) words.push(...not(), '-s', draw.pick(pools.addresses));
  if (draw.chance(0.3)) words.push(...not(), '-d', draw.pick(pools.addresses));
  if (draw.chance(0.2) && !['OUTPUT', 'POSTROUTING'].includes(chain)) words.push(...not(), '-i', draw.pick(pools.interfaces));
  if (draw.chance(0.2) && !['INPUT', 'PREROUTING'].includes(chain)) words.push(...not(), '-o', draw.pick(pools.interfaces));
  const protocol = draw.pick([0, 6, 6, 17, 17, family === 4 ? 1 : 58, 132]);
  if (protocol !== 0) words.push('-p', draw.chance(0.3) ? String(protocol) : (protocolName(protocol) ?? ''));
  const fits = (kind: string) => extensions.filter((extension) => extension.kind === kind && extension.families.includes(family));
  for (let count = draw.integer(0, 3); count > 0; count--) {
    const match = draw.pick(fits('match'));
    words.push('-m', match.name, ...match.generate(draw, pools, { family, protocol }));
  }
  const target = draw.pick(['none', 'verdict', 'chain', 'extension', 'extension']);
  if (target === 'verdict') words.push('-j', draw.pick(['ACCEPT', 'DROP', 'RETURN']));
  if (target === 'chain' && chain !== 'u1') words.push(draw.pick(['-j', '-g']), 'u1');
  if (target === 'extension') {
    const extension = draw.pick(fits('target'));
    words.push('-j', extension.name, ...extension.generate(draw, pools, { family, protocol }));
  }
  return { table, text: words.map(quoteWord).join(' ') };
}

/** A dump of one table that holds the given rules. */
export function dumpOf(table: string, rules: readonly string[]): string {
  return `*${table}\n:u1 - [0:0]\n${rules.join('\n')}${rules.length > 0 ? '\n' : ''}COMMIT\n`;
}
