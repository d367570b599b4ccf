/** Random uses of conntrack. */
import type { Family } from '../model/ruleset.ts';
import type { Draw, Pools } from './extension.ts';
import { generatePorts } from './ports.ts';

const STATES = ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED', 'UNTRACKED'];
const STATUSES = ['NONE', 'EXPECTED', 'SEEN_REPLY', 'ASSURED', 'CONFIRMED'];

export function generateStates(draw: Draw, more: readonly string[] = []): string {
  const all = [...STATES, ...more];
  const some = all.filter(() => draw.chance(0.35));
  return (some.length === 0 ? [draw.pick(all)] : some).join(',');
}

/** Around the seconds that connections of all kinds and states live. */
function generateLife(draw: Draw): string {
  const life = draw.pick([0, 10, 30, 60, 120, 180, 300, 600, 432_000]);
  const near = Math.max(0, life - draw.pick([0, 0, 1, 2]));
  return draw.pick([`${near}`, `${near}`, `${near}:`, `0:${near}`, `${Math.max(0, near - 5)}:${near}`]);
}

export function generateConntrack(draw: Draw, pools: Pools, { family }: { family: Family }): string[] {
  const out: string[] = [];
  const add = (name: string, value: string): void => {
    out.push(...(draw.chance(0.2) ? ['!'] : []), `--${name}`, value);
  };
  if (draw.chance(0.8)) add('ctstate', generateStates(draw, draw.chance(0.1) ? ['SNAT', 'DNAT'] : []));
  if (draw.chance(0.1)) add('ctproto', draw.pick(['6', '17', '1', 'tcp']));
  const addresses = pools.addresses.filter((text) => text.includes(':') === (family === 6));
  for (const side of ['origsrc', 'origdst', 'replsrc', 'repldst']) {
    if (addresses.length > 0 && draw.chance(0.06)) add(`ct${side}`, draw.pick(addresses));
    if (draw.chance(0.06)) add(`ct${side}port`, generatePorts(draw, pools));
  }
  if (draw.chance(0.2)) add('ctstatus', draw.pick(STATUSES));
  if (draw.chance(0.2)) add('ctexpire', generateLife(draw));
  if (draw.chance(0.15) || out.length === 0) out.push('--ctdir', draw.pick(['ORIGINAL', 'REPLY']));
  return out;
}
