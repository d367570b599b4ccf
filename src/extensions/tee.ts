/** `-j TEE`: sends a copy to another host and goes on. Kernel: net/netfilter/xt_TEE.c. The copy's own way through OUTPUT is not followed. */
import { formatAddress, parseHost } from '../model/address.ts';
import type { Words } from '../model/ruleset.ts';
import type { TargetExtension } from './extension.ts';
import { Given, option, textOf, truncated } from './given.ts';

export interface TeeOptions {
  gateway: Words;
  /** '': by the routes. */
  device: string;
}

const specs = [option('gateway'), option('oif')];
const NAME_ROOM = 15;

export const TEE: TargetExtension<TeeOptions> = {
  name: 'TEE',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'sends a copy to another host, which the replay does not follow, and goes on',
  parse(given, context) {
    const all = new Given('TEE', specs, given, context);
    const one = all.need('gateway', context.family === 4 ? '--gateway 192.0.2.1' : '--gateway 2001:db8::1');
    const gateway = parseHost(textOf(one), context.family);
    if (gateway === undefined || gateway.every((word) => word === 0)) throw all.wants(one, 'the address of a host');
    const device = all.get('oif');
    return { gateway, device: device === undefined ? '' : truncated(textOf(device), NAME_ROOM) };
  },
  print: ({ gateway, device }) => ` --gateway ${formatAddress(gateway)}${device === '' ? '' : ` --oif ${device}`}`,
  evaluate: () => 'continue',
  lower: () => ({ kind: 'continue' }),
  generate: (draw, _, { family }) => [
    '--gateway',
    family === 4 ? '203.0.113.9' : '2001:db8:aa::9',
    ...(draw.chance() ? ['--oif', 'eth9'] : []),
  ],
};
