/** `-j ECN` (IPv4): sets or clears the bits of explicit congestion notification. Kernel: net/ipv4/netfilter/ipt_ECN.c. */
import { EFFECT_ECN } from '../abi/effects.ts';
import { FIELD_TOS } from '../abi/fields.ts';
import { u16 } from '../packet/bytes.ts';
import { putU16, updateChecksumAt } from '../packet/rewrite.ts';
import type { Legality, TargetExtension } from './extension.ts';
import { Given, option } from './given.ts';
import { changeTos } from './tos-change.ts';

/** What is not asked for stays as it is. */
export interface EcnChange {
  ect?: number;
  ece?: boolean;
  cwr?: boolean;
}

const specs = [
  option('ecn-tcp-remove', { argument: 'none' }),
  option('ecn-tcp-cwr'),
  option('ecn-tcp-ece'),
  option('ecn-ip-ect'),
];
const TCP = 6;
const HEADER = 20;
/** In the word of data offset and flags. */
const ECE = 0x40;
const CWR = 0x80;
const TCP_ONLY: Legality = { protocols: [TCP] };

export const ECN: TargetExtension<EcnChange> = {
  name: 'ECN',
  kind: 'target',
  families: [4],
  options: specs,
  about: 'sets or clears the ECN bits of IP and TCP',
  legality: { tables: ['mangle'] },
  parse(given, context) {
    const all = new Given('ECN', specs, given, context);
    all.exclusive(['ecn-tcp-remove', 'ecn-tcp-cwr']);
    all.exclusive(['ecn-tcp-remove', 'ecn-tcp-ece']);
    all.needOne(['ecn-tcp-remove', 'ecn-tcp-cwr', 'ecn-tcp-ece', 'ecn-ip-ect'], '--ecn-tcp-remove');
    const [cwr, ece, ect] = [all.get('ecn-tcp-cwr'), all.get('ecn-tcp-ece'), all.get('ecn-ip-ect')];
    const out: EcnChange = all.has('ecn-tcp-remove') ? { ece: false, cwr: false } : {};
    if (cwr !== undefined) out.cwr = all.number(cwr, 1) === 1;
    if (ece !== undefined) out.ece = all.number(ece, 1) === 1;
    if (ect !== undefined) out.ect = all.number(ect, 3);
    return out;
  },
  legalityOf: ({ ece, cwr }) => (ece === undefined && cwr === undefined ? undefined : TCP_ONLY),
  print({ ect, ece, cwr }) {
    if (ect === undefined && ece === false && cwr === false) return ' --ecn-tcp-remove';
    let out = ece === undefined ? '' : ` --ecn-tcp-ece ${Number(ece)}`;
    if (cwr !== undefined) out += ` --ecn-tcp-cwr ${Number(cwr)}`;
    return ect === undefined ? out : `${out} --ecn-ip-ect ${ect}`;
  },
  evaluate({ ect, ece, cwr }, packet, effects) {
    if (ect !== undefined) changeTos(3, ect, true, packet, effects);
    if (ece === undefined && cwr === undefined) return 'continue';
    const at = (packet.bytes[0]! & 15) * 4;
    // Fragments are looked at like any packet.
    if (packet.bytes[9] !== TCP) return 'continue';
    if (packet.bytes.length < at + HEADER) return 'DROP';
    const before = u16(packet.bytes, at + 12);
    const wanted = withBit(withBit(before, ECE, ece), CWR, cwr);
    if (wanted === before) return 'continue';
    const bytes = new Uint8Array(packet.bytes);
    putU16(bytes, at + 12, wanted);
    updateChecksumAt(bytes, at + 16, [before], [wanted]);
    effects.rewrite(bytes);
    return 'continue';
  },
  lower({ ect, ece, cwr }) {
    const mask = (ece === undefined ? 0 : ECE) | (cwr === undefined ? 0 : CWR);
    const value = (ece === true ? ECE : 0) | (cwr === true ? CWR : 0);
    const parameters = [ect === undefined ? 0 : 1, ect ?? 0, mask, value];
    return { kind: 'effect', code: EFFECT_ECN, parameters, changes: [FIELD_TOS] };
  },
  generate(draw, _, { protocol }) {
    const ip = ['--ecn-ip-ect', String(draw.integer(0, 3))];
    if (protocol !== TCP) return ip;
    const bit = (name: string): string[] => [`--ecn-tcp-${name}`, String(draw.integer(0, 1))];
    return [
      ...draw.pick([['--ecn-tcp-remove'], bit('cwr'), bit('ece'), [...bit('cwr'), ...bit('ece')]]),
      ...(draw.chance(0.3) ? ip : []),
    ];
  },
};

function withBit(word: number, bit: number, set: boolean | undefined): number {
  return set === undefined ? word : set ? word | bit : word & ~bit;
}
