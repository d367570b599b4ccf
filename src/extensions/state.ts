/** `-m state`: the old name of conntrack's --ctstate; the kernel runs conntrack for it. */

import { generateStates } from './conntrack-generate.ts';
import { lowerConntrack } from './conntrack-lower.ts';
import { type ConntrackOptions, conntrackMatches, printStates, readStates, showConnection } from './conntrack-options.ts';
import type { MatchExtension } from './extension.ts';
import { bang, Given, option } from './given.ts';

export interface StateOptions {
  mask: number;
  invert: boolean;
}

const specs = [option('state', { invertible: true })];

function asConntrack(state: StateOptions): ConntrackOptions {
  return { state, addresses: {}, ports: {} };
}

export const state: MatchExtension<StateOptions> = {
  name: 'state',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'connection state (old name of conntrack --ctstate)',
  needsConntrack: true,
  parse(given, context) {
    const all = new Given('state', specs, given, context);
    return readStates(all, all.need('state', '--state ESTABLISHED,RELATED'), false);
  },
  print: ({ mask, invert }) => `${bang(invert)} --state ${printStates(mask)}`,
  evaluate: (options, packet) => conntrackMatches(asConntrack(options), packet),
  lower: (options) => lowerConntrack(asConntrack(options)),
  generate: (draw) => [...(draw.chance(0.2) ? ['!'] : []), '--state', generateStates(draw)],
  show: (_, packet) => showConnection(packet),
};
