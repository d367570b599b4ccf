/** `-j CLASSIFY`: the queueing class of a packet, which no rule can see. Kernel: net/netfilter/xt_CLASSIFY.c. */
import type { TargetExtension } from './extension.ts';
import { Given, option, textOf } from './given.ts';

export interface ClassifyOptions {
  major: number;
  minor: number;
}

const specs = [option('set-class')];
/** As sscanf reads %x:%x: what follows does not matter, and neither do the upper halves. */
const CLASS = /^\s*(?:0[xX])?([0-9a-fA-F]+):\s*(?:0[xX])?([0-9a-fA-F]+)/;

const half = (digits: string): number => Number.parseInt(digits.slice(-4), 16);
const fourDigits = (value: number): string => value.toString(16).padStart(4, '0');

export const CLASSIFY: TargetExtension<ClassifyOptions> = {
  name: 'CLASSIFY',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'sets the queueing class, which no rule can see',
  legality: { hooks: ['FORWARD', 'OUTPUT', 'POSTROUTING'] },
  parse(given, context) {
    const all = new Given('CLASSIFY', specs, given, context);
    const one = all.need('set-class', '--set-class 1:10');
    const [, major, minor] = CLASS.exec(textOf(one)) ?? [];
    if (major === undefined || minor === undefined) throw all.wants(one, 'MAJOR:MINOR, both hexadecimal');
    return { major: half(major), minor: half(minor) };
  },
  print: ({ major, minor }) => ` --set-class ${fourDigits(major)}:${fourDigits(minor)}`,
  evaluate: () => 'continue',
  lower: () => ({ kind: 'continue' }),
  generate: (draw) => ['--set-class', draw.pick(['1:1', '0:0', 'ffff:10'])],
};
