/** `-j IDLETIMER`: begins a timer anew and goes on. Kernel: net/netfilter/xt_IDLETIMER.c. */
import type { TargetExtension } from './extension.ts';
import { Given, option, textOf, truncated } from './given.ts';

export interface IdletimerOptions {
  seconds: number;
  label: string;
  alarm: boolean;
}

const specs = [option('timeout'), option('label'), option('alarm', { argument: 'none' })];
const LABEL_ROOM = 27;
/** The kernel keeps milliseconds in an int, and what every device has in /sys to itself. */
const MOST_SECONDS = Math.floor(0x7fffffff / 1000) - 1;
const TAKEN: readonly string[] = ['', '.', '..', 'power', 'subsystem', 'uevent'];

export const IDLETIMER: TargetExtension<IdletimerOptions> = {
  name: 'IDLETIMER',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'begins a timer anew, whose end nobody here hears, and goes on',
  parse(given, context) {
    const all = new Given('IDLETIMER', specs, given, context);
    const seconds = all.number(all.need('timeout', '--timeout 60'), MOST_SECONDS, 1);
    const one = all.need('label', '--label link');
    const label = truncated(textOf(one), LABEL_ROOM);
    if (TAKEN.includes(label) || label.includes('/')) throw all.wants(one, 'a name a file in /sys can have');
    return { seconds, label, alarm: all.has('alarm') };
  },
  print: ({ seconds, label, alarm }) => ` --timeout ${seconds} --label ${label}${alarm ? ' --alarm' : ''}`,
  evaluate: () => 'continue',
  lower: () => ({ kind: 'continue' }),
  generate: (draw) => ['--timeout', draw.pick(['60', '3600']), '--label', draw.pick(['a', 'b'])],
};
