/** Rules, captures and sets of filters that are not the bench's own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { classbenchSets } from '../../bench/classbench.ts';
import { own } from '../../bench/own.ts';
import { repeat } from '../../bench/repeat.ts';
import { hostFirewall } from '../../bench/rules.ts';
import { SERVER, tcpTraffic } from '../../bench/traffic.ts';
import { CaptureReader } from '../../src/capture/frames.ts';
import { type WrittenFrame, writePcap } from '../../src/capture/writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-own-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};

const RULES = file('rules.v4', hostFirewall());
/** IP packets without a link: what only the floor of Ethernet needs, and `npm run bench` builds, is not there. */
const CAPTURE = file('short.pcap', withoutLink(tcpTraffic(500, 10)));
function withoutLink(capture: Uint8Array): Uint8Array {
  const frames: WrittenFrame[] = [];
  const reader = new CaptureReader(({ time, bytes }) => frames.push({ time, bytes: bytes.slice(14) }));
  reader.push(capture);
  reader.end();
  return writePcap(frames, 101);
}

const SIZE = { root: process.cwd(), smoke: true, peers: false, theirs: [] };

test('frames are repeated whole, later each time by more than connections live', () => {
  const frames = [30n, 10n, 20n].map((time) => ({ time, bytes: new Uint8Array(1) }));
  const times = repeat(frames, 7).map(({ time }) => time);
  expect(times.length).toBe(9);
  expect(times.slice(0, 3)).toEqual([30n, 10n, 20n]);
  expect(times[3]! - times[0]!).toBe(700_000_000_020n);
  expect(times[8]! - times[2]!).toBe(2n * 700_000_000_020n);
});

describe('own rules and captures', () => {
  test('are replayed as often as it takes, by the words of the command', async () => {
    const { memory, processes, missing } = await own(SIZE, ['-R', RULES, '-r', CAPTURE, '--local', SERVER]);
    expect(processes).toBeUndefined();
    expect(missing).toEqual(['record walk + hash probe: it reads Ethernet frames']);
    expect(memory.title).toContain('20 rules');
    const [engine, linear] = memory.rows;
    expect(engine).toMatchObject({ name: 'engine: all packets, 4 times', packets: 2000 });
    // Every other packet comes in, and passes more rules than none.
    expect(engine!.evaluations).toBeGreaterThan(0.5);
    expect(linear!.evaluations).toBe(engine!.evaluations);
    expect(memory.rows.map(({ name }) => name.split(':')[0])).toEqual(['engine', 'linear', 'reference']);
  });

  test('of another host are judged as such', async () => {
    const { memory } = await own(SIZE, ['-R', RULES, '-r', CAPTURE, '--local', '192.0.2.77']);
    expect(memory.rows[0]!.evaluations).toBe(0);
  });

  test.each([
    [['-R', RULES, '-R', RULES, '-r', CAPTURE], 'one -R'],
    [['-R', RULES, '-r', file('empty.pcap', writePcap([], 101))], 'no packets'],
    [['-R', RULES, '-r', '-'], 'give files'],
    [['-r', CAPTURE], "'-R, --rules <file>' not specified"],
    [['-R', RULES, '-r', CAPTURE, '--locl', SERVER], "unknown option '--locl'"],
  ])('%j are refused', async (words, why) => {
    await expect(own(SIZE, words)).rejects.toThrow(why);
  });
});

describe('sets of ClassBench', () => {
  const RULE = '@192.0.2.0/24\t0.0.0.0/0\t0 : 65535\t80 : 80\t0x06/0xFF\t0x0000/0x0000\t\n';
  const FILTER = {
    source: { address: 0xc0000200, length: 24 },
    destination: { address: 0, length: 0 },
    sport: [0, 65535],
    dport: [80, 80],
    protocol: 6,
  };

  test('are read from files, packed or not, and from folders of them', () => {
    const plain = file('one.rules', RULE);
    file('two.gz', gzipSync(RULE + RULE));
    expect(classbenchSets(plain, 10)).toEqual([{ name: 'one', filters: [FILTER] }]);
    expect(classbenchSets(folder, 10).map(({ name, filters }) => [name, filters.length])).toEqual([
      ['one', 1],
      ['two', 2],
    ]);
    expect(classbenchSets(folder, 1).map(({ name }) => name)).toEqual(['one']);
  });

  test('that are none are told', () => {
    expect(() => classbenchSets(join(folder, 'absent'), 10)).toThrow('ENOENT');
    expect(() => classbenchSets(RULES, 10)).toThrow('no rules of ClassBench');
    const path = file('broken.rules', `${RULE}@192.0.2.0/24 80\n`);
    expect(() => classbenchSets(path, 10)).toThrow(`${path}:2: a rule is addresses, ports and protocol`);
    rmSync(path);
  });
});
