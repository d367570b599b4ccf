/** What is remembered at the end, held against the kernel's words: every kind of difference is told. */
import { expect, test } from 'vitest';
import { nfacctDifferences, procDifferences } from '../../src/fuzz/remembered.ts';
import type { HashlimitTable, RecentTable } from '../../src/model/proc-tables.ts';
import { hashlimitLines, recentLines } from '../../src/report/proc-tables.ts';

const LISTS: RecentTable[] = [
  {
    name: 'DEFAULT',
    entries: [
      {
        family: 4,
        address: [0x0a000002],
        ttl: 64,
        lastSeen: 425_000_000_250n,
        oldest: 2,
        stamps: [425_000_000_000n, 425_000_000_250n],
      },
      { family: 4, address: [0x0a000001], ttl: 63, lastSeen: 425_000_000_260n, oldest: 1, stamps: [425_000_000_260n] },
    ],
  },
];
/** A credit more with every second. */
const tables = (at: bigint): HashlimitTable[] => [
  {
    family: 4,
    name: 'h',
    entries: [
      {
        source: [0x0a000001],
        sourcePort: 0,
        destination: [0],
        destinationPort: 53,
        seconds: 100n - at / 1_000_000_000n,
        credit: at / 1_000_000_000n,
        cap: 50n,
        cost: 5n,
      },
    ],
  },
];
const witness = { recent: () => LISTS, hashlimit: (at = 0n) => tables(at) };
const text = [...recentLines(LISTS), '', ...hashlimitLines(tables(40_000_000_000n))].join('\n');

const differences = (told: string, slack = 0n): string[] =>
  procDifferences({ text: told, from: 39_900_000_000n, to: 41_100_000_000n, hz: 250 }, witness, { slack, latest: 0n });

test('what agrees: in any order, from any boot on', () => {
  expect(differences(text)).toEqual([]);
  const [head = '', one = '', two = '', ...rest] = text.split('\n');
  expect(differences([head, two, one, ...rest].join('\n'))).toEqual([]);
  expect(differences(text.replaceAll(/\b425000000/g, '4294937'))).toEqual([]);
});

test.each([
  ['another TTL', 'ttl: 63', 'ttl: 64'],
  ['another address', 'src=10.0.0.1', 'src=10.0.0.9'],
  ['another place', 'oldest_pkt: 2', 'oldest_pkt: 1'],
  ['a stamp less', '425000000000, ', ''],
  ['an address less', /src=10.0.0.1 .*\n/, ''],
  ['another file', 'xt_recent/DEFAULT', 'xt_recent/a'],
  ['a file less', /==> .*hashlimit.*/s, ''],
  ['another key', ':53 ', ':54 '],
  ['another cap', ' 50 5', ' 51 5'],
  ['less credit', ' 40 50', ' 38 50'],
  ['more credit', ' 40 50', ' 42 50'],
  ['longer to live', '60 10', '62 10'],
  ['an entry less', /60 10.*/, ''],
  ['jiffies that do not go together', '425000000000,', '425000000001,'],
])('%s', (_, part, other) => {
  const told = text.replace(part, other);
  expect(told).not.toBe(text);
  expect(differences(told)).not.toEqual([]);
});

test('where phases differ, jiffies may be off', () => {
  const told = text.replace('425000000000,', '425000000001,');
  expect(differences(told, 1n)).toEqual([]);
  expect(differences(text.replace('425000000000,', '425000000004,'), 1n)).not.toEqual([]);
});

test('objects of nfacct', () => {
  const list =
    '{ pkts = 00000000000000000002, bytes = 00000000000000000064 } = b;\n{ pkts = 00000000000000000001, bytes = 00000000000000000032 } = a;\n';
  const [a, b] = [
    { name: 'a', packets: 1, bytes: 32 },
    { name: 'b', packets: 2, bytes: 64 },
  ];
  expect(nfacctDifferences(list, [a!, b!])).toEqual([]);
  for (const wrong of [[a!], [a!, { ...b!, packets: 3 }], [a!, { ...b!, bytes: 63 }], [a!, { ...b!, name: 'c' }]])
    expect(nfacctDifferences(list, wrong)).not.toEqual([]);
});
