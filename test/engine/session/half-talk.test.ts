/** What halves (assembly/conntrack/half.ts) must know of a connection, each by the shortest conversation that asks for it; as the reference sees it. */
import { expect, test } from 'vitest';
import { tcpTraffic } from '../../../bench/traffic.ts';
import { compile } from '../../../src/compile/index.ts';
import { loadEngine } from '../../../src/engine/loader.ts';
import { EngineSession } from '../../../src/engine/session.ts';
import { ACK, RST, SYN } from '../conntrack/packets.ts';
import { jobOf, type Side, Talk } from './talk.ts';
import { expectAlike } from './told.ts';
import { engineModule } from './wasm.ts';

const SCALE_7 = [3, 3, 7, 1];
const SACK_PERMITTED = [4, 2, 1, 1];
/** SACK blocks: of what lies so far behind `from`. */
const sack = (from: number): number[] => [1, 1, 5, 10, ...[from + 5, from + 90].flatMap((word) => [0, 0, word >> 8, word & 255])];

const times = (count: number, say: () => void): void => Array.from({ length: count }).forEach(say);

/** By what it shows: how many of its connections become entries, and the conversation. */
const TALKS: readonly (readonly [shows: string, expanded: number, say: (side: Side) => void])[] = [
  // Three retransmissions give another time, two do not: what came first counts when the last segment is known to its last bit.
  ...([3, 4, 5] as const).map(
    (count) =>
      [
        `data that comes ${count} times behind the other side's`,
        1,
        (side: Side): void => {
          side.opens();
          side.server({ data: 10 });
          times(count, () => side.client({ ack: 511, data: 50 }));
        },
      ] as const,
  ),
  ...([4, 5] as const).map(
    (count) =>
      [
        `an empty segment that comes ${count} times behind the other side's data`,
        1,
        (side: Side): void => {
          side.opens();
          side.server({ data: 10 });
          times(count, () => side.client({ ack: 511 }));
        },
      ] as const,
  ),
  ...([3, 4] as const).map(
    (count) =>
      [
        `an acknowledgement that comes ${count} times more than once`,
        1,
        (side: Side): void => {
          side.opens();
          times(count, () => side.client({ flags: ACK }));
        },
      ] as const,
  ),
  [
    'a scaled window that comes again',
    1,
    (side) => {
      side.opens(SCALE_7, SCALE_7);
      side.server({ data: 10 });
      times(4, () => side.client({ ack: 511, data: 50 }));
    },
  ],
  [
    'windows are scaled where both sides say so, and else not',
    1,
    (side) => {
      side.opens(SCALE_7, [], 100);
      for (const seq of [501, 801, 1101]) side.server({ seq, data: 300 });
    },
  ],
  [
    'an answer to a SYN has SACK blocks beyond what it acknowledges',
    1,
    (side) => {
      side.client({ flags: SYN, seq: 100, ack: 0, options: SACK_PERMITTED });
      side.server({ flags: SYN | ACK, seq: 500, options: sack(101) });
      side.client({ flags: ACK });
      side.client({ data: 10 });
    },
  ],
  [
    'a wrong checksum',
    0,
    (side) => {
      side.opens();
      side.client({ data: 10 }, true);
      side.server({ data: 10 });
    },
  ],
  [
    'data of a SYN counts',
    0,
    (side) => {
      side.client({ flags: SYN, seq: 100, ack: 0, data: 20 });
      side.server({ flags: SYN | ACK, seq: 500, ack: 121 });
      side.client({ flags: ACK, seq: 121 });
      side.client({ seq: 121, data: 10 });
    },
  ],
  [
    'an acknowledgement of what was never sent opens nothing',
    1,
    (side) => {
      side.client({ flags: SYN, seq: 100, ack: 0 });
      side.server({ flags: SYN | ACK, seq: 500 });
      side.client({ flags: ACK, ack: 9000 });
    },
  ],
  [
    'older data that comes again moves no end back',
    1,
    (side) => {
      side.opens();
      side.client({ data: 50 });
      side.client({ seq: 151, data: 60 });
      times(4, () => side.client({ data: 50 }));
    },
  ],
  [
    'a smaller window moves no bound back',
    1,
    (side) => {
      side.opens();
      side.server({ data: 10 });
      side.client({ ack: 511, data: 50 });
      times(4, () => side.client({ seq: 151, ack: 511, window: 1000 }));
    },
  ],
  [
    'an older acknowledgement moves none back',
    1,
    (side) => {
      side.opens([], [], 1000);
      side.server({ data: 10 });
      side.client({ ack: 511, data: 50, window: 1000 });
      times(4, () => side.client({ seq: 151, ack: 501, window: 2000 }));
    },
  ],
  [
    'a SYN that is reset',
    1,
    (side) => {
      side.client({ flags: SYN, seq: 100, ack: 0 });
      side.server({ flags: RST | ACK, seq: 0 });
      side.client({ flags: SYN, seq: 300, ack: 0 });
    },
  ],
];

test.each(TALKS)('%s', async (shows, expanded, say) => {
  const lessons = new Talk();
  const before = (await expectAlike(jobOf(), lessons.capture(), 'lessons')).debug;
  const talk = new Talk();
  say(talk.with(9000));
  const { debug } = await expectAlike(jobOf(), talk.capture(), shows);
  expect(debug.servicesBegun()).toBeGreaterThan(before.servicesBegun());
  expect(debug.halvesExpanded() - before.halvesExpanded()).toBe(expanded);
});

/** Clients of which the host's address is above, and below: the two ends of a key. */
test.each([
  ['10.9.0.1', '10.9.0.2'],
  ['10.0.0.1', '10.0.0.2'],
])('a guess of a half that another connection has by now, with the same ports, is none: %s, %s', async (first, second) => {
  const talk = new Talk();
  const ports = Array.from({ length: 24 }, (_, index) => 9000 + index);
  for (const port of ports) talk.with(port, first).opens();
  // All of it in one batch, for most of them: the first becomes an entry, the second gets its half.
  for (const port of ports) {
    talk.with(port, first).client({ flags: ACK });
    talk.with(port, second).opens();
    talk.with(port, first).client({ data: 20 });
  }
  const { debug } = await expectAlike(jobOf(), talk.capture(), 'stale');
  expect(debug.halvesExpanded()).toBeGreaterThanOrEqual(ports.length);
});

/** A pcap file of SYNs, each of another connection: in waves of `size`, 200 s apart. Their checksums are not made. */
function waves(count: number, size: number): Uint8Array {
  const one = tcpTraffic(1, 1);
  const [header, record] = [one.subarray(0, 24), one.subarray(24)];
  const file = new Uint8Array(header.length + count * size * record.length);
  file.set(header);
  const view = new DataView(file.buffer);
  for (let index = 0; index < count * size; index++) {
    const at = header.length + index * record.length;
    file.set(record, at);
    view.setUint32(at, 1_700_000_000 + 200 * Math.floor(index / size), true);
    // The client's port, and the end of its address, which the header's checksum makes up for.
    view.setUint16(at + 50, index & 0xffff);
    view.setUint16(at + 44, view.getUint16(at + 44) + (index >>> 16));
    view.setUint16(at + 40, view.getUint16(at + 40) - (index >>> 16));
    view.setUint16(at + 52, 80);
  }
  return file;
}

test('halves whose time is over make room for others', async () => {
  const [count, size] = [8, 60_000];
  const job = jobOf();
  const profile = { ...job.profile, sysctls: { nf_conntrack_checksum: 0 } };
  const engine = await loadEngine(engineModule('debug'));
  const session = new EngineSession(engine, compile({ ...job, profile }), { path: false });
  const capture = waves(count, size);
  session.startCapture('memory');
  const sizes: number[] = [];
  const step = (capture.length - 24) / count;
  for (let wave = 0; wave < count; wave++) {
    session.feed(capture.subarray(wave === 0 ? 0 : 24 + wave * step, 24 + (wave + 1) * step));
    sizes.push(engine.memory.buffer.byteLength);
  }
  session.endCapture();
  expect(engine.servicesBegun()).toBeGreaterThan(0.8 * count * size);
  // The first two are there together.
  expect(new Set(sizes.slice(1)).size).toBe(1);
});
