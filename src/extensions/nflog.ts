/** `-j NFLOG`: hands a copy to user space and goes on. Kernel: net/netfilter/xt_NFLOG.c. */
import type { TargetExtension } from './extension.ts';
import { Given, option, savedString } from './given.ts';
import { readPrefix } from './log.ts';

export interface NflogOptions {
  prefix: string;
  group: number;
  /** Bytes to copy; `range` is the old option without effect. */
  size?: number;
  range?: number;
  threshold: number;
}

const specs = ['nflog-group', 'nflog-prefix', 'nflog-range', 'nflog-size', 'nflog-threshold'].map((name) => option(name));
/** The kernel keeps 64 bytes with the closing zero. */
const PREFIX_ROOM = 63;

export const NFLOG: TargetExtension<NflogOptions> = {
  name: 'NFLOG',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'hands the packet to a logging program and goes on',

  parse(given, context) {
    const all = new Given('NFLOG', specs, given, context);
    all.exclusive(['nflog-range', 'nflog-size']);
    const prefix = all.get('nflog-prefix');
    const size = all.get('nflog-size');
    const range = all.get('nflog-range');
    const small = (name: string): number => {
      const one = all.get(name);
      return one === undefined ? 0 : all.number(one, 0xffff);
    };
    return {
      prefix: prefix === undefined ? '' : readPrefix(all, prefix, PREFIX_ROOM),
      group: small('nflog-group'),
      threshold: small('nflog-threshold'),
      ...(size === undefined ? {} : { size: all.number(size, 0xffffffff) }),
      ...(range === undefined ? {} : { range: all.number(range, 0xffffffff) }),
    };
  },

  print({ prefix, group, size, range, threshold }) {
    let out = prefix === '' ? '' : ` --nflog-prefix ${savedString(prefix)}`;
    if (group !== 0) out += ` --nflog-group ${group}`;
    if (size !== undefined) out += ` --nflog-size ${size}`;
    else if (range !== undefined && range !== 0) out += ` --nflog-range ${range}`;
    return threshold === 0 ? out : `${out} --nflog-threshold ${threshold}`;
  },

  evaluate: () => 'continue',
  lower: () => ({ kind: 'continue' }),

  generate(draw) {
    const out: string[] = [];
    if (draw.chance()) out.push('--nflog-group', String(draw.pick([0, 1, 2, 65535])));
    if (draw.chance(0.4)) out.push('--nflog-prefix', draw.pick(['in', 'a b ']));
    if (draw.chance(0.3)) out.push('--nflog-size', String(draw.pick([0, 64, 4294967295])));
    if (draw.chance(0.2)) out.push('--nflog-threshold', '10');
    return out;
  },
};
