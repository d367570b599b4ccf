/** `replay -w` against the running kernel: the file holds, byte for byte, what leaves the firewall, and nothing that does not. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { PacketFile } from '../../src/cli/packet-file.ts';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { captureOf, type FuzzCase, withRules } from '../../src/fuzz/case.ts';
import { jobOf } from '../../src/fuzz/differential.ts';
import { askKernel, runningKernel, tellsWhatLeaves } from '../../src/fuzz/kernels.ts';
import { leftDifference } from '../../src/kernel/expected-left.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { readLink } from '../../src/packet/link.ts';
import { replayOne } from '../../src/replay/replay.ts';
import { readWith } from '../capture/read.ts';
import { SEED } from '../seed.ts';
import { describeKernel } from './machine.ts';

const CASES = 6;
/** Of so many: hardly ever all of one kind. */
const DRAWN = 24;
const RULES: Record<4 | 6, string> = {
  4: `*mangle
:PREROUTING ACCEPT
-A PREROUTING -m statistic --mode nth --every 3 --packet 0 -j TOS --set-tos 0xa5/0xff
-A PREROUTING -p tcp -j DSCP --set-dscp 10
-A FORWARD -m statistic --mode nth --every 5 --packet 1 -j TTL --ttl-set 255
-A POSTROUTING -m statistic --mode nth --every 5 --packet 2 -j TTL --ttl-inc 2
COMMIT
*nat
:POSTROUTING ACCEPT
-A POSTROUTING -j SNAT --to-source 203.0.113.1
COMMIT
*filter
:FORWARD ACCEPT
-A FORWARD -m statistic --mode nth --every 4 --packet 0 -j DROP
COMMIT
`,
  6: `*mangle
:PREROUTING ACCEPT
-A PREROUTING -j TOS --set-tos 0xa5/0x0f
-A FORWARD -m statistic --mode nth --every 5 --packet 1 -j HL --hl-set 255
COMMIT
*nat
:POSTROUTING ACCEPT
-A POSTROUTING -j SNAT --to-source 2001:db8:77::1
COMMIT
*filter
:FORWARD ACCEPT
-A FORWARD -m statistic --mode nth --every 4 --packet 0 -j DROP
COMMIT
`,
};

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-write-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What is in the file, packet by packet (from the IP header on), and the outcomes of all packets. */
async function written(fuzzCase: FuzzCase, engine: 'wasm' | 'reference') {
  const [capture, path] = [join(folder, 'capture.pcap'), join(folder, `${engine}.pcap`)];
  writeFileSync(capture, captureOf(fuzzCase));
  const file = new PacketFile(path, readWith(captureOf(fuzzCase)).linktypes, () => {});
  const outcomes: PacketOutcome[] = [];
  const job = { ...jobOf(fuzzCase), packets: { path: false, bytes: true } };
  await replayOne({ captures: [capture], host: job.host }, job, {
    engine,
    tree: true,
    onFrame: (frame) => file.captured(frame),
    onPacket: (outcome) => {
      outcomes.push(outcome);
      file.judged(outcome);
    },
  });
  file.close();
  const bytes = readFileSync(path);
  const packets = readWith(bytes).frames.map((frame) => {
    const link = readLink(frame);
    return link.kind === 'ip' ? frame.bytes.subarray(link.offset) : frame.bytes;
  });
  return { bytes, packets, outcomes };
}

for (const backend of ['legacy', 'nft'] as const) {
  describeKernel(`what -w writes, ${backend}`, () => {
    for (const family of [4, 6] as const) {
      test(`IPv${family} (seed ${SEED})`, { timeout: 240_000 }, async () => {
        const kernel = runningKernel(backend);
        const options = { packets: 40, judge: 'kernel', backend, family, only: ['tcp'] } as const;
        const drawn = casesOf(options, SEED, DRAWN);
        // Only a router drops; only a host answers.
        const both = [true, false].flatMap((forward) => drawn.filter(({ host }) => host.forward === forward).slice(0, CASES / 2));
        const cases = both.map((one) => withRules(one, RULES[family]));
        const wrong: string[] = [];
        let [left, dropped, changed] = [0, 0, 0];
        try {
          for (const { sent, outcome } of await askKernel(kernel, cases, true)) {
            expect(outcome.refused).toBeUndefined();
            const { bytes, packets, outcomes } = await written(sent, 'wasm');
            expect((await written(sent, 'reference')).bytes.equals(bytes)).toBe(true);
            for (const [i, { verdict, hook, drawn }] of outcomes.entries()) {
              const packet = verdict === 'ACCEPT' ? packets.shift()! : new Uint8Array();
              const { bytes: own, direction } = sent.packets[i]!;
              if (!tellsWhatLeaves(own, sent) || drawn !== undefined) continue;
              // The stack writes into IPv4 options; a raw socket fills in identification and source of what the host sends.
              if (family === 4 && (own[0] !== 0x45 || (direction === 'out' && (own[4] === 0 || own[12] === 0)))) continue;
              const { left: actual, ownAnswer } = outcome.packets[i]!;
              const leaves = verdict === 'ACCEPT' && hook !== 'INPUT';
              // These rules were put in later: the kernel's own has the traffic class that they gave to the packet it answers.
              const free = ownAnswer ? [[0, 2] as const] : [];
              const difference = leftDifference(leaves ? { bytes: packet, free, drawn: [] } : undefined, actual);
              if (difference !== undefined) wrong.push(`packet ${i + 1}, ${verdict} ${hook}: ${difference}`);
              if (actual.length > 0) left++;
              if (actual.length > 0 && Buffer.compare(packet.subarray(12), own.subarray(12, own.length)) !== 0) changed++;
              if (verdict === 'DROP') dropped++;
            }
            expect(packets).toEqual([]);
          }
        } finally {
          await kernel.close();
        }
        expect(wrong.slice(0, 5)).toEqual([]);
        expect(left).toBeGreaterThan(20);
        expect(changed).toBeGreaterThan(20);
        expect(dropped).toBeGreaterThan(10);
      });
    }
  });
}
