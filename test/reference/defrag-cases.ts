/** What defragmentation does with fragments, one decision a case: written from kernel 6.18's behaviour, each asked of the kernel by defrag.test.ts. */
import { icmp, join, udp } from './build.ts';
import { type FragmentMore, fragment, fragmentsOf, takeApart } from './fragments.ts';

/** A number: the packet goes on, with so many bytes. */
export type Fate = 'kept' | 'discarded' | number;

export interface DefragCase {
  family: 4 | 6;
  name: string;
  packets: readonly Uint8Array[];
  expected: readonly Fate[];
}

const ENDS = { 4: ['10.0.0.1', '10.1.0.2'], 6: ['2001:db8::1', '2001:db8:1::2'] } as const;
const HEADER = { 4: 20, 6: 40 } as const;

/** A family's fragments of one UDP packet with 8 + 40 bytes, id 7. */
function kit(family: 4 | 6) {
  const [from, to] = ENDS[family];
  const packet = udp(`${from} 1000`, `${to} 53`, { data: 40 });
  const { payload } = takeApart(packet);
  const size = HEADER[family] + payload.length;
  const at = (start: number, end: number, more: FragmentMore = {}): Uint8Array =>
    fragment(from, to, 17, payload.subarray(start, end), start, { more: end < payload.length, ...more });
  return { from, to, packet, payload, size, at };
}

type Written = [name: string, packets: Uint8Array[], expected: Fate[]];

/** What both families do. */
function common(family: 4 | 6): Written[] {
  const { from, to, packet, size, at, payload } = kit(family);
  const inOrder = [at(0, 16), at(16, 32), at(32, 48)];
  const [one, two, three] = inOrder as [Uint8Array, Uint8Array, Uint8Array];
  const empty = (offset: number, more: boolean): Uint8Array => fragment(from, to, 17, [], offset, { more });
  const big = new Uint8Array(1400);
  const pieces = (total: number): Uint8Array[] => {
    const out: Uint8Array[] = [];
    for (let offset = 0; offset < total; offset += 1400) {
      out.push(fragment(from, to, 50, big.subarray(0, Math.min(1400, total - offset)), offset, { more: offset + 1400 < total }));
    }
    return out;
  };
  const most = 65535 - (family === 4 ? 20 : 0);
  const keptBut = (total: number, last: Fate): Fate[] => [...new Array<Fate>(Math.ceil(total / 1400) - 1).fill('kept'), last];
  return [
    ['in order', inOrder, ['kept', 'kept', size]],
    ['the last one first', [three, two, one], ['kept', 'kept', size]],
    ['a whole packet between them goes by', [one, packet, two, three], ['kept', size, 'kept', size]],
    ['one is missing', [one, three], ['kept', 'kept']],
    [
      'a duplicate is thrown away, the others go on',
      [one, two, two, one, three],
      ['kept', 'kept', 'discarded', 'discarded', size],
    ],
    ['a part of one is a duplicate', [at(0, 32), at(8, 16), three], ['kept', 'discarded', size]],
    ['what lies within two that came in order is a duplicate', [one, two, at(8, 24), three], ['kept', 'kept', 'discarded', size]],
    [
      'the same where the second filled a hole overlaps',
      [one, at(24, 32), at(16, 24), at(8, 24), three],
      ['kept', 'kept', 'kept', 'discarded', 'kept'],
    ],
    ['an overlap loses all of them', [at(0, 24), at(16, 32), three], ['kept', 'discarded', 'kept']],
    ['an overlap with what comes behind, too', [two, at(8, 24), one, three], ['kept', 'discarded', 'kept', 'kept']],
    ['a copy of what is complete begins anew', [...inOrder, one], ['kept', 'kept', size, 'kept']],
    ['other ids do not mix', [one, at(16, 32, { id: 8 }), two, three], ['kept', 'kept', 'kept', size]],
    ['zero bytes at the end', [one, two, three, empty(48, false)], ['kept', 'kept', size, 'discarded']],
    [
      'TTL and TOS are those of the first part, wherever it came',
      [at(32, 48, { ttl: 9, tos: 0x20 }), at(16, 32, { ttl: 8 }), at(0, 16, { ttl: 2, tos: 0x48 })],
      ['kept', 'kept', size],
    ],
    ...[
      [0, 0, true],
      [1, 1, true],
      [1, 2, true],
      [2, 3, true],
      [1, 3, true],
      [3, 3, true],
      [0, 1, false],
      [0, 2, false],
      [0, 3, false],
    ].map(([a, b, fits]): Written => {
      const marked = [at(0, 32, { tos: a as number }), at(32, 48, { tos: b as number })];
      return [`ECN ${a} and ${b}`, marked, ['kept', fits ? size : 'discarded']];
    }),
    ['ECN: a duplicate’s mark does not count', [one, at(0, 16, { tos: 3 }), two, three], ['kept', 'discarded', 'kept', size]],
    ['as long as can be', pieces(most), keptBut(most, most + HEADER[family])],
    ['longer', pieces(most + 1), keptBut(most + 1, 'discarded')],
    [
      'more data behind the last one',
      [three, fragment(from, to, 17, payload.subarray(0, 16), 48, { more: true }), one, two],
      family === 4 ? ['kept', 'discarded', 'kept', 'kept'] : ['kept', 'discarded', 'kept', size],
    ],
    [
      'a second end',
      [three, at(16, 24, { more: false }), one, two],
      family === 4 ? ['kept', 'discarded', 'kept', 'kept'] : ['kept', 'discarded', 'kept', size],
    ],
    [
      'an end before what is there',
      [two, at(8, 16, { more: false }), one, three],
      family === 4 ? ['kept', 'discarded', 'kept', 'kept'] : ['kept', 'discarded', 'kept', size],
    ],
    [
      'zero bytes in the middle',
      [one, empty(16, true), two, three],
      family === 4 ? ['kept', 'discarded', 'kept', 'kept'] : ['kept', 'discarded', 'kept', size],
    ],
    ['zero bytes at the start', [empty(0, true), ...inOrder], [family === 4 ? 'discarded' : 48, 'kept', 'kept', size]],
  ];
}

function only4(): Written[] {
  const { from, to, at, size, payload } = kit(4);
  const many = Array.from({ length: 65 }, (_, i) =>
    fragment(from, '10.1.0.9', 17, payload.subarray(0, 16), 0, { id: 100 + i, more: true }),
  );
  const kept = many.map((): Fate => 'kept');
  return [
    [
      'an end that is no multiple of eight is cut off',
      [fragment(from, to, 17, payload.subarray(0, 21), 0, { more: true }), at(16, 48)],
      ['kept', size],
    ],
    [
      'nothing left of it',
      [at(0, 16), fragment(from, to, 17, payload.subarray(16, 23), 16, { more: true }), at(16, 48)],
      ['kept', 'discarded', 'kept'],
    ],
    [
      'another protocol is another packet',
      [at(0, 16), fragment(from, to, 6, payload.subarray(16), 16), at(16, 48)],
      ['kept', 'kept', size],
    ],
    [
      'another source is another packet',
      [at(0, 16), fragment('10.0.0.2', to, 17, payload.subarray(16), 16), at(16, 48)],
      ['kept', 'kept', size],
    ],
    [
      'options are those of the first part',
      [at(0, 16, { options: [7, 3, 4, 0] }), at(16, 48, { options: [1, 1, 1, 1, 1, 1, 1, 0] })],
      ['kept', size + 4],
    ],
    [
      'the packet’s length counts the first part’s header',
      fragmentsOf(udp(`${from} 1`, `${to} 2`, { data: 65000 }), 65000, { options: [7, 3, 4, 0] }),
      ['kept', 65032],
    ],
    ['DF of the largest part stays', [at(0, 32, { dontFragment: true }), at(32, 48)], ['kept', size]],
    ['DF of a smaller part does not', [at(0, 32), at(32, 48, { dontFragment: true })], ['kept', size]],
    [
      '64 others of the sender may come between',
      [at(0, 16), ...many.slice(0, 63), at(16, 48)],
      ['kept', ...kept.slice(0, 63), size],
    ],
    [
      '65 may not: what was there is forgotten',
      [at(0, 16), ...many.slice(0, 64), at(16, 48)],
      ['kept', ...kept.slice(0, 64), 'kept'],
    ],
    [
      'a bad checksum shows over the whole',
      fragmentsOf(udp(`${from} 1`, `${to} 53`, { data: 40, badChecksum: true }), 24),
      ['kept', 68],
    ],
  ];
}

/** What stands behind the fragment header: a destination options header, then UDP. */
const DESTINATION_OPTIONS = [17, 0, 1, 4, 0, 0, 0, 0];

function only6(): Written[] {
  const { from, to, at, size, payload, packet } = kit(6);
  const behind = join(DESTINATION_OPTIONS, payload);
  const hopByHop: FragmentMore = { firstHeader: 0, headers: [44, 0, 1, 4, 0, 0, 0, 0] };
  const long: FragmentMore = { firstHeader: 60, headers: [43, 29, ...new Array<number>(238).fill(0), 44, 0, 0, 0, 0, 0, 0, 0] };
  const odd = fragment(from, to, 17, payload.subarray(16, 29), 16, { more: true });
  const small = at(0, 8);
  const cut = at(0, 16).slice(0, 46);
  cut.set([0, 6], 4);
  const far = fragment(from, to, 17, payload.subarray(0, 16), 65528, { more: false });
  return [
    ['a fragment that is the whole packet loses its header', [at(0, 48)], [size]],
    ['also when others of its id wait, if it does not contradict them', [at(16, 32), at(0, 48)], ['kept', 'discarded']],
    ['an end that is no multiple of eight goes on alone and ends the others', [at(0, 16), odd, at(16, 48)], ['kept', 61, 'kept']],
    [
      'a first fragment without the upper header goes on alone',
      [fragment(from, to, 6, payload.subarray(0, 16), 0, { more: true }), at(16, 48)],
      [64, 'kept'],
    ],
    ['eight bytes of UDP are enough', [small, at(8, 48)], ['kept', size]],
    ['a cut fragment header, at the start', [cut], [46]],
    [
      'another protocol in its header is the same packet',
      [at(0, 16), fragment(from, to, 6, payload.subarray(16), 16)],
      ['kept', size],
    ],
    [
      'another destination is another packet',
      [at(0, 16), fragment(from, '2001:db8:1::3', 17, payload.subarray(16), 16), at(16, 48)],
      ['kept', 'kept', size],
    ],
    ['beyond 65535: that one only', [at(0, 16), far, at(16, 48)], ['kept', 'discarded', size]],
    ['headers before the fragment header are those of the first part', [at(16, 48), at(0, 16, hopByHop)], ['kept', size + 8]],
    ['those of others are dropped', [at(0, 16), at(16, 48, hopByHop)], ['kept', size]],
    [
      'headers behind it belong to the data',
      [fragment(from, to, 60, behind.subarray(0, 24), 0, { more: true }), fragment(from, to, 60, behind.subarray(24), 24)],
      ['kept', size + 8],
    ],
    ['a chain cut in them goes on alone', [fragment(from, to, 60, behind.subarray(0, 8), 0, { more: true })], [64 - 8]],
    ['more than 255 bytes of headers: the wrong byte is patched', [at(0, 16, long), at(16, 48, long)], ['kept', size + 248]],
    ['ICMPv6 is checked over the whole', fragmentsOf(icmp(from, to, 128, 0, new Uint8Array(60)), 24), ['kept', 'kept', 104]],
    [
      'no next header: nothing to look for',
      [fragment(from, to, 59, payload.subarray(0, 16), 0, { more: true }), fragment(from, to, 59, payload.subarray(16), 16)],
      ['kept', size],
    ],
    [
      'a fragment of a fragment is put together once',
      [fragment(from, to, 44, join([17, 0, 0, 1, 0, 0, 0, 9], payload), 0, {})],
      [packet.length + 8],
    ],
  ];
}

const all = (family: 4 | 6, cases: Written[]): DefragCase[] =>
  cases.map(([name, packets, expected]) => ({ family, name, packets, expected }));

export const CASES: readonly DefragCase[] = [...all(4, [...common(4), ...only4()]), ...all(6, [...common(6), ...only6()])];
