/** The clock never goes back: packets with an earlier time than one before them, by reference and engine, and what is said of them. */
import { expect, test } from 'vitest';
import { writePcap } from '../../../src/capture/writer.ts';
import { ask } from '../../../src/fuzz/differential.ts';
import { PROGRAMS } from '../../../src/fuzz/witness.ts';
import { buildHost } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import { parseSave } from '../../../src/syntax/index.ts';

const SECOND = 1_000_000_000n;
const BEGIN = 1_764_000_000n * SECOND;
const LIMITED = `*filter
:INPUT DROP [0:0]
-A INPUT -m limit --limit 1/sec --limit-burst 1 -j ACCEPT
COMMIT
`;

/** An IPv4 header and nothing: raw IP. */
const PACKET = Uint8Array.of(0x45, 0, 0, 20, 0, 0, 0, 0, 64, 253, 0xed, 0xe9, 198, 51, 100, 7, 192, 0, 2, 1);

/** Packets that came so many nanoseconds after the first; what each program says of them. */
async function judged(...offsets: bigint[]) {
  const capture = writePcap(
    offsets.map((offset) => ({ time: BEGIN + offset, bytes: PACKET })),
    101,
  );
  const job = {
    rules: { 4: parseSave(LIMITED, { file: 'rules.v4' }) },
    host: buildHost({ local: ['192.0.2.1'] }),
    profile: { ...DEFAULT_PROFILE, prestack: 'lenient' as const, hz: 250 },
    packets: { path: false },
  };
  return Promise.all(
    ['reference', 'engine', 'debug'].map(async (name) => {
      const { packets, result } = await ask(PROGRAMS[name]!, job, capture);
      return { verdicts: packets.map(({ verdict }) => verdict), notes: result.notes };
    }),
  );
}

test('one packet years ahead: all behind it are judged at its time, and the report says so', async () => {
  const year = 365n * 86_400n * SECOND;
  for (const { verdicts, notes } of await judged(0n, 12n * year, 2n * SECOND, 4n * SECOND, 12n * year + SECOND)) {
    expect(verdicts).toEqual(['ACCEPT', 'ACCEPT', 'DROP', 'DROP', 'ACCEPT']);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain(
      '2 packets have an earlier time than a packet before (the first: packet 3; by up to 4,379 days, behind packet 2)',
    );
    expect(notes[0]).toContain('if the timestamp of packet 2 is broken');
  }
});

test.each<[words: string, offsets: bigint[]]>([
  [
    '1 packet has an earlier time than a packet before (the first: packet 3; by up to 4 ms, behind packet 2)',
    [0n, 5_000_000n, 1_000_000n],
  ],
  ['2 packets have .*packet 4; by up to 4 seconds, behind packet 3', [0n, 3n * SECOND, 5n * SECOND, SECOND, 4n * SECOND]],
  ['packet 2; by up to 90 minutes, behind packet 1', [90n * SECOND * 60n, 0n]],
])('%s', async (words, offsets) => {
  for (const { notes } of await judged(...offsets)) {
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(new RegExp(words.replaceAll(/[()]/g, '\\$&')));
  }
});

test('packets in order, and those out of order within a jiffy, are no news', async () => {
  for (const { notes } of await judged(0n, 0n, SECOND, 2n * SECOND)) expect(notes).toEqual([]);
  // A jiffy is 4 ms here.
  for (const { notes } of await judged(0n, 3_999_999n, 1n)) expect(notes).toEqual([]);
});

test('the packet that is named is the one that came before the latest, whatever else was out of order', async () => {
  for (const { notes } of await judged(0n, 9_000_000n, 0n, 60n * SECOND, SECOND, 2n * SECOND)) {
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain(
      '3 packets have an earlier time than a packet before (the first: packet 3; by up to 59 seconds, behind packet 4)',
    );
  }
});

test('packets without a time are told', async () => {
  for (const { notes } of await judged(-BEGIN, -BEGIN, 0n))
    expect(notes).toEqual([expect.stringMatching(/^2 packets \(the first: 1\) have the timestamp 0,/)]);
  for (const { notes } of await judged(0n, -BEGIN)) {
    expect(notes).toHaveLength(2);
    expect(notes[0]).toContain('behind packet 1');
    expect(notes[1]).toMatch(/^packet 2 has the timestamp 0,/);
  }
});
