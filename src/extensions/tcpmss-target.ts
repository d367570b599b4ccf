/** `-j TCPMSS`: a smaller maximum segment size for the opening packets of TCP. Kernel: net/netfilter/xt_TCPMSS.c. */
import { EFFECT_TCPMSS, MSS_CLAMP } from '../abi/effects.ts';
import { FIELD_L4_LENGTH, FIELD_LENGTH } from '../abi/fields.ts';
import type { Match } from '../model/ruleset.ts';
import { u16 } from '../packet/bytes.ts';
import { putU16, updateChecksumAt } from '../packet/rewrite.ts';
import type { EvaluateContext, PacketView } from '../packet/view.ts';
import type { Legality, TargetExtension } from './extension.ts';
import { Given, option } from './given.ts';
import type { TcpOptions } from './tcp.ts';
import { TCP_HEADER as HEADER, tcpHeaderOf } from './tcp-header.ts';

/** undefined: what the ways out and back take. */
export interface TcpmssOptions {
  mss?: number;
}

const specs = [option('set-mss'), option('clamp-mss-to-pmtu', { argument: 'none' })];
const MOST = 65515;
const TCP = 6;
const SYN = 2;
const OPTION = 4;
const LONGEST_HEADER = 60;
/** A jumbogram has no field for its length that could grow. */
const LONGEST_PACKET = 65575;
/** Of a device the host model does not know. */
const USUAL_MTU = 1500;
const MOST_MTU = 65535;
/** ip6tables takes the longer header off. */
const MOST_IPV6 = 65495;
const ROUTED: Legality = { hooks: ['FORWARD', 'OUTPUT', 'POSTROUTING'] };

export const TCPMSS: TargetExtension<TcpmssOptions> = {
  name: 'TCPMSS',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'lowers the maximum segment size of opening TCP packets',
  legality: { protocols: [TCP] },
  parse(given, context) {
    const all = new Given('TCPMSS', specs, given, context);
    all.needOne(['set-mss', 'clamp-mss-to-pmtu'], '--clamp-mss-to-pmtu');
    const one = all.get('set-mss');
    const mss = one === undefined ? undefined : all.number(one, context.family === 6 ? MOST_IPV6 : MOST);
    return mss === undefined || all.has('clamp-mss-to-pmtu') ? {} : { mss };
  },
  // iptables-nft does not ask.
  demands: (_, { matches }, backend) =>
    backend === 'nft' || matches.some(asksForSyn)
      ? undefined
      : { message: 'works on opening packets only', hint: 'add --syn to the rule' },
  legalityOf: ({ mss }) => (mss === undefined ? ROUTED : undefined),
  print: ({ mss }) => (mss === undefined ? ' --clamp-mss-to-pmtu' : ` --set-mss ${mss}`),
  evaluate({ mss }, packet, effects, context) {
    const place = tcpHeaderOf(packet);
    if (typeof place === 'string') return place;
    const { at, header } = place;
    const wanted = mss ?? clamped(packet, context);
    if (wanted === undefined) return 'DROP';
    const found = findOption(packet.bytes, at, header);
    if (found !== undefined) {
      const before = u16(packet.bytes, found + 2);
      if (before <= wanted) return 'continue';
      const bytes = new Uint8Array(packet.bytes);
      putU16(bytes, found + 2, wanted);
      updateChecksumAt(bytes, at + 16, [before], [wanted]);
      effects.rewrite(bytes);
    } else if (packet.length === at + header && header < LONGEST_HEADER && packet.length <= LONGEST_PACKET) {
      effects.rewrite(withOption(packet, at, wanted));
    }
    return 'continue';
  },
  lower: ({ mss }) => ({
    kind: 'effect',
    code: EFFECT_TCPMSS,
    parameters: [mss ?? MSS_CLAMP],
    changes: [FIELD_LENGTH, FIELD_L4_LENGTH],
  }),
  generate(draw, _, { judge = 'software', chain = '' }) {
    const routed = ['FORWARD', 'OUTPUT', 'POSTROUTING'].includes(chain);
    // A kernel's devices have MTUs of their own.
    const clamps = judge === 'software' && routed && draw.chance(0.4);
    const size = clamps ? ['--clamp-mss-to-pmtu'] : ['--set-mss', String(draw.pick([0, 1, 536, 1220, 1400, 1460, 8000, 65495]))];
    return [...size, '-m', 'tcp', '--tcp-flags', 'SYN', 'SYN'];
  },
};

/** find_syn_match: SYN is among the flags that must be set. */
const asksForSyn = ({ name, options }: Match): boolean => {
  const flags = name === 'tcp' ? (options as TcpOptions).flags : undefined;
  return flags !== undefined && !flags.invert && (flags.value & SYN) !== 0;
};

/** What fits into the MTU of the way out and of the way back; undefined where nothing does. */
function clamped(
  { family, source, inInterface, outInterface }: PacketView,
  { mtu, wayBack }: EvaluateContext,
): number | undefined {
  const found = wayBack(family, source);
  const back = found === undefined ? inInterface : found;
  const smallest = Math.min(
    MOST_MTU,
    mtu(outInterface) ?? USUAL_MTU,
    back === null || back === 'lo' || back === '' ? MOST_MTU : (mtu(back) ?? USUAL_MTU),
  );
  const headers = (family === 4 ? 20 : 40) + HEADER;
  return smallest <= headers ? undefined : smallest - headers;
}

/** Where an option of the right kind and length begins. */
function findOption(bytes: Uint8Array, at: number, header: number): number | undefined {
  for (let i = at + HEADER; i <= at + header - OPTION; ) {
    if (bytes[i] === 2 && bytes[i + 1] === OPTION) return i;
    i += bytes[i]! <= 1 || bytes[i + 1] === 0 ? 1 : bytes[i + 1]!;
  }
  return undefined;
}

/** The option in front of all others; nobody is told that he may send more than what is sent without it. */
function withOption({ family, bytes, length }: PacketView, at: number, wanted: number): Uint8Array {
  const mss = Math.min(wanted, family === 4 ? 536 : 1220);
  const out = new Uint8Array(length + OPTION);
  out.set(bytes.subarray(0, at + HEADER));
  out.set([2, OPTION, mss >> 8, mss & 255], at + HEADER);
  out.set(bytes.subarray(at + HEADER, length), at + HEADER + OPTION);
  const sum = at + 16;
  updateChecksumAt(out, sum, [length - at], [length - at + OPTION]);
  updateChecksumAt(out, sum, [0, 0], [0x0204, mss]);
  const offset = u16(out, at + 12);
  putU16(out, at + 12, (offset + 0x1000) & 0xffff);
  updateChecksumAt(out, sum, [offset], [u16(out, at + 12)]);
  const total = family === 4 ? 2 : 4;
  const before = u16(out, total);
  putU16(out, total, before + OPTION);
  if (family === 4) updateChecksumAt(out, 10, [before], [before + OPTION]);
  return out;
}
