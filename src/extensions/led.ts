/** `-j LED`: switches a light on, and goes on. Kernel: net/netfilter/xt_LED.c. */
import { parseUnsigned } from '../model/numbers.ts';
import type { GivenOption, TargetExtension } from './extension.ts';
import { Given, option, textOf } from './given.ts';

export interface LedOptions {
  id: string;
  /** Milliseconds it shines; -1: for ever. */
  delay: number;
  alwaysBlink: boolean;
}

const specs = [option('led-trigger-id'), option('led-delay'), option('led-always-blink', { argument: 'none', invertible: true })];
const ID_ROOM = 16;
const MOST = 0xffffffff;

export const LED: TargetExtension<LedOptions> = {
  name: 'LED',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'switches a light on, which no rule can see, and goes on',
  parse(given, context) {
    const all = new Given('LED', specs, given, context);
    const one = all.need('led-trigger-id', '--led-trigger-id ssh');
    const length = new TextEncoder().encode(textOf(one)).length;
    if (length > ID_ROOM) throw all.wants(one, `a name of at most ${ID_ROOM} bytes`);
    const delay = all.get('led-delay');
    return {
      id: textOf(one),
      delay: delay === undefined ? 0 : readDelay(all, delay),
      alwaysBlink: all.get('led-always-blink')?.invert === false,
    };
  },
  print({ id, delay, alwaysBlink }) {
    const shines = delay > 0 ? ` --led-delay ${delay}` : delay === -1 ? ' --led-delay inf' : '';
    return ` --led-trigger-id "${id.replace(/["\\]/g, '\\$&')}"${shines}${alwaysBlink ? ' --led-always-blink' : ''}`;
  },
  evaluate: () => 'continue',
  lower: () => ({ kind: 'continue' }),
  generate: (draw) => [
    '--led-trigger-id',
    draw.pick(['a', 'ssh']),
    ...draw.pick([[], ['--led-delay', '1000'], ['--led-delay', 'inf', '--led-always-blink']]),
  ],
};

/** Milliseconds, or what begins with `inf`. */
function readDelay(all: Given, one: GivenOption): number {
  if (/^inf/i.test(textOf(one))) return -1;
  const delay = parseUnsigned(textOf(one), MOST);
  if (delay === undefined) throw all.wants(one, `milliseconds up to ${MOST}, or inf`);
  // The kernel has 32 bits with a sign.
  return delay | 0;
}
