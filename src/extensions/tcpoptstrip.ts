/** `-j TCPOPTSTRIP`: TCP options become padding. Kernel: net/netfilter/xt_TCPOPTSTRIP.c. */
import { EFFECT_TCPOPTSTRIP } from '../abi/effects.ts';
import { parseUnsigned } from '../model/numbers.ts';
import { updateChecksumAt } from '../packet/rewrite.ts';
import type { TargetExtension } from './extension.ts';
import { Given, option, textOf } from './given.ts';
import { TCP_HEADER as HEADER, tcpHeaderOf } from './tcp-header.ts';

export interface TcpoptstripOptions {
  /** In ascending order. */
  kinds: readonly number[];
}

const specs = [option('strip-options')];
const NAMES: Readonly<Record<string, number>> = { wscale: 3, mss: 2, 'sack-permitted': 4, sack: 5, timestamp: 8, md5: 19 };
const TCP = 6;
const PADDING = 1;

export const TCPOPTSTRIP: TargetExtension<TcpoptstripOptions> = {
  name: 'TCPOPTSTRIP',
  kind: 'target',
  families: [4, 6],
  options: specs,
  about: 'overwrites TCP options with padding',
  legality: { tables: ['mangle'], protocols: [TCP] },
  parse(given, context) {
    const all = new Given('TCPOPTSTRIP', specs, given, context);
    const one = all.get('strip-options');
    const kinds = new Set<number>();
    for (const word of one === undefined ? [] : textOf(one).split(',')) {
      const kind = (Object.hasOwn(NAMES, word) ? NAMES[word] : undefined) ?? parseUnsigned(word, 255);
      if (kind === undefined || kind <= PADDING)
        throw all.wants(one!, 'kinds of options from 2 to 255, or their names', undefined, word);
      if (kinds.has(kind)) throw all.wants(one!, 'every option once', undefined, word);
      kinds.add(kind);
    }
    return { kinds: [...kinds].sort((a, b) => a - b) };
  },
  print: ({ kinds }) => (kinds.length === 0 ? '' : ` --strip-options ${kinds.join(',')}`),
  evaluate({ kinds }, packet, effects) {
    const place = tcpHeaderOf(packet);
    if (typeof place === 'string') return place;
    const { at, header } = place;
    const out = new Uint8Array(packet.bytes);
    for (let i = HEADER; i < header - 1; ) {
      const kind = out[at + i]!;
      const length = kind <= PADDING || out[at + i + 1] === 0 ? 1 : out[at + i + 1]!;
      if (i + length > header) break;
      if (kinds.includes(kind)) strip(out, at, i, length);
      i += length;
    }
    effects.rewrite(out);
    return 'continue';
  },
  lower({ kinds }) {
    const bits = new Uint32Array(8);
    for (const kind of kinds) bits[kind >>> 5]! |= 1 << (kind & 31);
    return { kind: 'effect', code: EFFECT_TCPOPTSTRIP, parameters: [...bits], changes: [] };
  },
  generate(draw) {
    const kinds = [2, 3, 4, 5, 8, 19, 30, 254].filter(() => draw.chance(0.4));
    return kinds.length === 0 ? [] : ['--strip-options', kinds.join(',')];
  },
};

/** Byte by byte, the checksum after each. */
function strip(bytes: Uint8Array, at: number, from: number, length: number): void {
  for (let i = from; i < from + length; i++) {
    const shift = i % 2 === 0 ? 256 : 1;
    updateChecksumAt(bytes, at + 16, [bytes[at + i]! * shift, 0], [PADDING * shift, 0]);
  }
  bytes.fill(PADDING, at + from, at + from + length);
}
