/** `-m multiport`: up to 15 ports and ranges. Kernel: net/netfilter/xt_multiport.c (revision 1). */
import { FIELD_DPORT, FIELD_SPORT } from '../abi/fields.ts';
import { protocolName } from '../model/names.ts';
import type { Builtin } from '../model/ruleset.ts';
import type { GivenOption, MatchExtension } from './extension.ts';
import { bang, Given, option, textOf, writtenName } from './given.ts';
import { dashHint, parsePort, portAt } from './ports.ts';
import { notFragment, transportHas } from './tests.ts';

export interface MultiportOptions {
  which: 'sports' | 'dports' | 'ports';
  ranges: readonly (readonly [number, number])[];
  invert: boolean;
}

const specs = [
  option(['source-ports', 'sports'], { invertible: true }),
  option(['destination-ports', 'dports'], { invertible: true }),
  option('ports', { invertible: true }),
];
const NAMES = ['source-ports', 'destination-ports', 'ports'] as const;
const WHICH = { 'source-ports': 'sports', 'destination-ports': 'dports', ports: 'ports' } as const;
/** tcp, udp, dccp, sctp, udplite. */
const PROTOCOLS = [6, 17, 33, 132, 136];
const SLOTS = 15;

export const multiport: MatchExtension<MultiportOptions> = {
  name: 'multiport',
  kind: 'match',
  families: [4, 6],
  options: specs,
  about: 'lists of ports',
  legality: { protocols: PROTOCOLS },

  parse(given, context) {
    const all = new Given('multiport', specs, given, context);
    all.exclusive(NAMES);
    all.needOne(NAMES, '--dports 22,80,1024:2047');
    const name = NAMES.find((each) => all.has(each)) ?? 'ports';
    const one = all.need(name, '--dports 22,80');
    return { which: WHICH[name], ranges: readList(all, one, protocolOf(all, context.builtin)), invert: one.invert };
  },

  print({ which, ranges, invert }) {
    return `${bang(invert)} --${which} ${ranges.map(([low, high]) => (low === high ? low : `${low}:${high}`)).join(',')}`;
  },

  evaluate({ which, ranges, invert }, { fragmentOffset, transport }) {
    if (fragmentOffset !== 0) return false;
    if (transport.length < 4) return 'hotdrop';
    const ports = which === 'sports' ? [0] : which === 'dports' ? [2] : [0, 2];
    const found = ports.some((at) => ranges.some(([low, high]) => portAt(transport, at) >= low && portAt(transport, at) <= high));
    return found !== invert;
  },

  lower({ which, ranges, invert }) {
    const fields = which === 'sports' ? [FIELD_SPORT] : which === 'dports' ? [FIELD_DPORT] : [FIELD_SPORT, FIELD_DPORT];
    return [notFragment(), transportHas(4, 'hotdrop'), { kind: 'ranges', fields, ranges, invert, onFail: 'miss' }];
  },

  generate(draw, pools) {
    const items: string[] = [];
    let slots = draw.integer(1, draw.chance(0.2) ? SLOTS : 4);
    while (slots > 0) {
      const port = draw.chance(0.8) && pools.ports.length > 0 ? draw.pick(pools.ports) : draw.integer(0, 65535);
      const ranged = slots > 1 && port < 65535 && draw.chance(0.3);
      items.push(ranged ? `${port}:${draw.integer(port + 1, Math.min(65535, port + draw.pick([1, 100, 65535])))}` : String(port));
      slots -= ranged ? 2 : 1;
    }
    return [...(draw.chance(0.2) ? ['!'] : []), `--${draw.pick(['sports', 'dports', 'ports'])}`, items.join(',')];
  },

  show(_, { fragmentOffset, transport }) {
    if (fragmentOffset !== 0) return `fragment at offset ${fragmentOffset}`;
    return transport.length < 4 ? `${transport.length} bytes` : `sport ${portAt(transport, 0)}, dport ${portAt(transport, 2)}`;
  },
};

/** The rule's own protocol, whose service names count; iptables wants it written and not inverted. */
function protocolOf(all: Given, { protocol }: Builtin): string {
  if (protocol === undefined || protocol.invert || !PROTOCOLS.includes(protocol.number)) {
    throw all.missing('works with -p tcp, udp, udplite, sctp and dccp only', '-p tcp -m multiport --dports 22,80');
  }
  return protocolName(protocol.number) ?? '';
}

/** A range takes two of the fifteen slots. */
function readList(all: Given, one: GivenOption, protocol: string): [number, number][] {
  const out: [number, number][] = [];
  let slots = 0;
  for (const item of textOf(one).split(',')) {
    const [first = '', last, ...rest] = item.split(':');
    const low = parsePort(first, protocol);
    const high = last === undefined ? low : parsePort(last, protocol);
    if (low === undefined || high === undefined || rest.length > 0) {
      throw all.wants(one, 'ports and ranges LOW:HIGH, separated by commas without blanks', dashHint(item), item);
    }
    if (last !== undefined && low >= high) {
      throw all.wants(one, 'LOW:HIGH with LOW below HIGH', `write ${low === high ? low : `${high}:${low}`}`, item);
    }
    slots += last === undefined ? 1 : 2;
    out.push([low, high]);
  }
  if (slots > SLOTS)
    throw all.complain(
      one,
      `${writtenName(one)} takes at most ${SLOTS} ports, a range counts as two, got ${slots}`,
      'write two rules',
    );
  return out;
}
