/** `-j LOG`: writes a line and goes on. Kernel: net/netfilter/xt_LOG.c. */

import { EFFECT_LOG } from '../abi/effects.ts';
import type { LogRequest } from '../model/log.ts';
import { parseUnsigned } from '../model/numbers.ts';
import type { GivenOption, TargetExtension } from './extension.ts';
import { Given, option, savedString, textOf, truncated, writtenName } from './given.ts';

const FLAGS = ['log-tcp-sequence', 'log-tcp-options', 'log-ip-options', 'log-uid', 'log-macdecode'] as const;
const specs = [option('log-level'), option('log-prefix'), ...FLAGS.map((name) => option(name, { argument: 'none' }))];
/** The kernel keeps 30 bytes with the closing zero. */
const PREFIX_ROOM = 29;
const WARNING = 4;
const LEVELS: Readonly<Record<string, number>> = {
  emerg: 0,
  panic: 0,
  alert: 1,
  crit: 2,
  error: 3,
  warning: WARNING,
  notice: 5,
  info: 6,
  debug: 7,
};

export const LOG: TargetExtension<LogRequest> = {
  name: 'LOG',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'logs the packet and goes on',

  parse(given, context) {
    const all = new Given('LOG', specs, given, context);
    const prefix = all.get('log-prefix');
    const level = all.get('log-level');
    return {
      prefix: prefix === undefined ? '' : readPrefix(all, prefix, PREFIX_ROOM),
      level: level === undefined ? WARNING : readLevel(all, level),
      flags: FLAGS.filter((name) => all.has(name)),
    };
  },

  print({ prefix, level, flags }) {
    const out = prefix === '' ? '' : ` --log-prefix ${savedString(prefix)}`;
    return `${out}${level === WARNING ? '' : ` --log-level ${level}`}${flags.map((name) => ` --${name}`).join('')}`;
  },

  evaluate(request, _, effects) {
    effects.log(request);
    return 'continue';
  },

  lower(request, { logs }) {
    if (logs === undefined) return { kind: 'continue' };
    return { kind: 'effect', code: EFFECT_LOG, parameters: [logs(request)], changes: [] };
  },

  generate(draw) {
    const out: string[] = [];
    if (draw.chance()) out.push('--log-prefix', draw.pick(['drop: ', 'in', '[UFW BLOCK] ', 'a "b" \\c']));
    if (draw.chance(0.3)) out.push('--log-level', draw.pick(['0', '3', '4', '7', 'debug', 'warning']));
    for (const name of FLAGS) if (draw.chance(0.1)) out.push(`--${name}`);
    return out;
  },
};

function readLevel(all: Given, one: GivenOption): number {
  const text = textOf(one);
  const level = parseUnsigned(text, 7) ?? (Object.hasOwn(LEVELS, text) ? LEVELS[text] : undefined);
  const hint = text === 'err' ? 'write error' : text === 'warn' ? 'write warning' : undefined;
  if (level === undefined) throw all.wants(one, `a number from 0 to 7 or one of ${Object.keys(LEVELS).join(', ')}`, hint);
  return level;
}

/** A prefix as LOG and NFLOG take it: not empty, on one line, cut to what the kernel keeps. */
export function readPrefix(all: Given, one: GivenOption, room: number): string {
  const text = textOf(one);
  if (text === '') throw all.wants(one, 'at least one character');
  if (text.includes('\n')) throw all.complain(one, `${writtenName(one)} must stand on one line`);
  return truncated(text, room);
}
