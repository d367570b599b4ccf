/** `-m hashlimit`: a limit for each address, port or pair of them, in tables that rules share by name. Kernel: net/netfilter/xt_hashlimit.c. */
import {
  HASHLIMIT_ABOVE,
  HASHLIMIT_BYTES,
  HASHLIMIT_DESTINATION,
  HASHLIMIT_DESTINATION_PORT,
  HASHLIMIT_ENTRY4,
  HASHLIMIT_ENTRY6,
  HASHLIMIT_SIZE,
  HASHLIMIT_SOURCE,
  HASHLIMIT_SOURCE_PORT,
  HASHLIMIT_WINDOW,
  SPECIAL_HASHLIMIT,
} from '../abi/special.ts';
import { prefixMask } from '../model/address.ts';
import type { Family } from '../model/ruleset.ts';
import type { Draw, MatchExtension } from './extension.ts';
import {
  byteCost,
  byteCreditsPerJiffy,
  credits,
  creditsPerJiffy,
  type HashlimitOptions,
  jiffiesOf,
  parseOptions,
  printOptions,
  specs,
} from './hashlimit-options.ts';
import { bytesOf, SCALE } from './hashlimit-rates.ts';
import { HashlimitTable } from './hashlimit-table.ts';

const MODE_BITS = {
  srcip: HASHLIMIT_SOURCE,
  srcport: HASHLIMIT_SOURCE_PORT,
  dstip: HASHLIMIT_DESTINATION,
  dstport: HASHLIMIT_DESTINATION_PORT,
} as const;
/** hlist_heads of a kernel with a GiB of memory or more. */
const BUCKETS = 8192;

export const hashlimit: MatchExtension<HashlimitOptions> = {
  name: 'hashlimit',
  kind: 'match',
  families: [4, 6],
  options: specs,
  keepsState: true,
  about: 'a limit for each address, port or pair, in tables that rules share by name',
  parse: parseOptions,
  print: (options, { family }) => printOptions(options, family),
  load: (options, { family, profile, shared }) => {
    tableOf(options, family, profile.hz, shared);
  },
  evaluate: (options, packet, { profile, shared }) =>
    tableOf(options, packet.family, profile.hz, shared).evaluate(options, packet),

  lower(options, { family, profile: { hz } }) {
    const { above, bytes, name, window } = options;
    const flags = (above ? HASHLIMIT_ABOVE : 0) | (bytes ? HASHLIMIT_BYTES : 0) | (window === undefined ? 0 : HASHLIMIT_WINDOW);
    const most = mostEntries(options);
    const entry = family === 4 ? HASHLIMIT_ENTRY4 : HASHLIMIT_ENTRY6;
    return [
      {
        kind: 'special',
        code: SPECIAL_HASHLIMIT,
        parameters: [flags, byteCreditsPerJiffyAndHz(hz)],
        stateful: true,
        shared: {
          name: `hashlimit ${family} ${name}`,
          first: tableWords(options, family, hz),
          most: [],
          bytes: HASHLIMIT_SIZE + placesFor(most) * 4 + most * entry,
        },
      },
    ];
  },

  generate: (draw, _, { family, judge = 'software' }) => generateOptions(draw, family, judge),
  show: (_, packet) => `length ${packet.length}, time ${packet.time} ns`,
};

/** Places of the engine's hash: a power of two, about two entries a place. */
const placesFor = (entries: number): number => 2 ** Math.max(4, Math.ceil(Math.log2(entries / 2)));

function mostEntries({ size, max }: HashlimitOptions): number {
  const buckets = size === 0 ? BUCKETS : size;
  return max === 0 ? 8 * buckets : Math.max(max, buckets);
}

/** The bucket of bytes: a second's credit, in 32 bits. */
const byteCreditsPerJiffyAndHz = (hz: number): number => Number(byteCreditsPerJiffy(hz) * BigInt(hz));

/** What a table is, as abi/special.ts lists it. */
function tableWords(options: HashlimitOptions, family: Family, hz: number): number[] {
  const { average, burst, bytes, modes, window, expire, gcInterval } = options;
  const bucket = BigInt(byteCreditsPerJiffyAndHz(hz));
  const mode = modes.reduce((sum, each) => sum | MODE_BITS[each], bytes ? HASHLIMIT_BYTES : 0);
  const entries = mostEntries(options);
  const packets = credits(BigInt.asUintN(64, average * burst), hz);
  const rate = bytes ? bytesOf(average) : SCALE / average;
  const whole = bytes ? rate * (burst || 1n) : rate + burst;
  const numbers =
    window !== undefined
      ? { cost: rate, start: BigInt.asUintN(64, whole), cap: 0n, gain: 0n }
      : bytes
        ? { cost: byteCost(average, hz), start: bucket, cap: burst, gain: byteCreditsPerJiffy(hz) }
        : { cost: credits(average, hz), start: packets, cap: packets, gain: creditsPerJiffy(hz) };
  return [
    mode | (window === undefined ? 0 : HASHLIMIT_WINDOW),
    entries,
    placesFor(entries) - 1,
    family === 4 ? HASHLIMIT_ENTRY4 : HASHLIMIT_ENTRY6,
    ...[jiffiesOf(gcInterval, hz), jiffiesOf(expire, hz), numbers.cost, numbers.start, numbers.cap, numbers.gain].flatMap(
      twoWords,
    ),
    Math.imul(window ?? 0, hz) >>> 0,
    ...fourWords(prefixMask(options.sourceMask, family)),
    ...fourWords(prefixMask(options.destinationMask, family)),
    window ?? 0,
  ];
}

const twoWords = (value: bigint): [number, number] => [Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn)];
const fourWords = (words: readonly number[]): number[] => [0, 1, 2, 3].map((i) => words[i] ?? 0);

function tableOf(
  options: HashlimitOptions,
  family: Family,
  hz: number,
  shared: <T>(name: string, make: () => T) => T,
): HashlimitTable {
  return shared(`hashlimit ${family} ${options.name}`, () => new HashlimitTable(options, family, hz));
}

/** What rules of one name must agree on follows from the name. */
function generateOptions(draw: Draw, family: Family, judge: 'software' | 'kernel' | 'virtual'): string[] {
  const name = draw.pick(['h0', 'h1', 'h2', 'h3', 'w0', 'w1']);
  const kind = ['h0', 'w0'].includes(name) ? draw.pick(['packets', 'bytes']) : name === 'h1' ? 'bytes' : 'packets';
  // The running kernel sees all packets within a second, and its jiffies have a phase of their own: nothing is gained there.
  const rates = judge === 'kernel' ? ['1/day', '2/hour'] : ['1/day', '2/hour', '5/hour', '6/min', '1/sec', '40/sec', '3000/sec'];
  const speeds = judge === 'kernel' ? ['16b/s'] : ['16b/s', '100b/s', '1kb/s', '20kb/s', '1mb/s'];
  const out = [draw.pick(['--hashlimit-upto', '--hashlimit-above']), draw.pick(kind === 'bytes' ? speeds : rates)];
  if (kind === 'bytes' && draw.chance()) out.push('--hashlimit-burst', draw.pick(['1mb', '2mb', '5mb']));
  if (kind === 'packets') out.push('--hashlimit-burst', out[1] === '1/day' ? '1' : String(draw.pick([1, 2, 3, 10])));
  const modes = ['srcip', 'dstip', 'srcport', 'dstport'].filter(() => draw.chance(0.4));
  if (modes.length > 0) out.push('--hashlimit-mode', modes.join(','));
  out.push('--hashlimit-name', name);
  if (draw.chance(0.4)) out.push('--hashlimit-srcmask', String(draw.pick(family === 4 ? [0, 8, 24, 31] : [0, 32, 48, 64, 127])));
  if (draw.chance(0.2)) out.push('--hashlimit-dstmask', String(draw.pick(family === 4 ? [1, 16, 32] : [1, 33, 96, 128])));
  // A full table drops what is new.
  if (draw.chance(0.3)) out.push('--hashlimit-htable-size', '1', '--hashlimit-htable-max', String(draw.pick([1, 2, 4])));
  // When the collector comes depends on when the kernel was loaded: nothing expires where a kernel judges.
  const expiry = judge === 'software' ? draw.pick([undefined, '1', '500', '10000', '4294967295']) : '4294967295';
  if (expiry !== undefined) out.push('--hashlimit-htable-expire', expiry);
  if (judge === 'software' && draw.chance(0.3)) out.push('--hashlimit-htable-gcinterval', draw.pick(['1', '7', '60000']));
  if (name.startsWith('w')) {
    out.push('--hashlimit-rate-match');
    const windows = judge === 'kernel' ? ['1000'] : ['1', '2', '10', '1000'];
    if (judge === 'kernel' || draw.chance(0.6)) out.push('--hashlimit-rate-interval', draw.pick(windows));
  }
  return out;
}
