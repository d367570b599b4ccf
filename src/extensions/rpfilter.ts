/** `-m rpfilter`: whether answers would leave by the device a packet came in at. Kernel: net/ipv4/netfilter/ipt_rpfilter.c, net/ipv6/netfilter/ip6t_rpfilter.c. Marks do not choose routes here. */
import { SPECIAL_REVERSE_PATH } from '../abi/special.ts';
import type { PacketView } from '../packet/view.ts';
import type { MatchExtension } from './extension.ts';
import { Given, option } from './given.ts';

export interface RpfilterOptions {
  loose: boolean;
  validMark: boolean;
  acceptLocal: boolean;
  invert: boolean;
}

const flag = (name: string) => option(name, { argument: 'none' });
const specs = [flag('loose'), flag('validmark'), flag('accept-local'), flag('invert')];
const LOOPBACK_DEVICE = 'lo';

export const rpfilter: MatchExtension<RpfilterOptions> = {
  name: 'rpfilter',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'the way back to the source leads through the device the packet came in at',
  legality: { tables: ['mangle', 'raw'], hooks: ['PREROUTING'] },

  parse(given, context) {
    const all = new Given('rpfilter', specs, given, context);
    return {
      loose: all.has('loose'),
      validMark: all.has('validmark'),
      acceptLocal: all.has('accept-local'),
      invert: all.has('invert'),
    };
  },

  print: ({ loose, validMark, acceptLocal, invert }) =>
    `${loose ? ' --loose' : ''}${validMark ? ' --validmark' : ''}${acceptLocal ? ' --accept-local' : ''}${invert ? ' --invert' : ''}`,

  evaluate(options, packet, { leadsBack }) {
    const loops = packet.looped || packet.inInterface === LOOPBACK_DEVICE;
    const fine = loops || isUnroutable(packet) || leadsBack(packet, options);
    return fine !== options.invert;
  },

  lower: ({ loose, acceptLocal, invert }) => [
    {
      kind: 'special',
      code: SPECIAL_REVERSE_PATH,
      parameters: [loose ? 1 : 0, acceptLocal ? 1 : 0, invert ? 1 : 0],
      stateful: false,
    },
  ],

  generate: (draw) => specs.flatMap(({ names }) => (draw.chance(0.35) ? [`--${names[0]}`] : [])),

  show: ({ loose }, { inInterface }) => `came in at ${inInterface}${loose ? ', any way back will do' : ''}`,
};

/** A host that asks for its address: there is no way back to it yet. */
function isUnroutable({ family, source, destination }: PacketView): boolean {
  if (family === 6) return source.every((word) => word === 0);
  const to = destination[0]!;
  return source[0] === 0 && (to === 0xffffffff || to >>> 8 === 0xe00000);
}
