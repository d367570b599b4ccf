/** Targets that change a packet's bytes: every byte that leaves, for random packets, against the running kernel. */
import { expect, test } from 'vitest';
import { CaptureReader } from '../../src/capture/frames.ts';
import { casesOf } from '../../src/fuzz/arbitrary.ts';
import { captureOf, type FuzzCase, withRules } from '../../src/fuzz/case.ts';
import { jobOf } from '../../src/fuzz/differential.ts';
import { askKernel, isErrorOfSocket, runningKernel } from '../../src/fuzz/kernels.ts';
import { leftDifference } from '../../src/kernel/expected-left.ts';
import type { Frame } from '../../src/model/witness.ts';
import { Interpreter } from '../../src/reference/interpreter.ts';
import { SEED } from '../seed.ts';
import { describeKernel } from './machine.ts';

const PACKETS = 40;

const mangle = (...rules: string[]): string =>
  `*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n${rules.join('\n')}\nCOMMIT\n`;

const RULES: Record<4 | 6, readonly string[]> = {
  4: [
    mangle('-A POSTROUTING -j TTL --ttl-dec 3'),
    mangle('-A FORWARD -j TTL --ttl-set 255', '-A POSTROUTING -j TTL --ttl-inc 1', '-A OUTPUT -j TTL --ttl-set 0'),
    mangle('-A PREROUTING -j TOS --set-tos 0xff', '-A POSTROUTING -j TOS --xor-tos 0x10', '-A OUTPUT -j TOS --and-tos 0x0f'),
    mangle('-A PREROUTING -j TTL --ttl-set 1'),
    mangle(
      '-A PREROUTING -j TTL --ttl-inc 1',
      '-A PREROUTING -m ttl --ttl-gt 64 -j TTL --ttl-dec 63',
      '-A FORWARD -j TTL --ttl-inc 2',
    ),
    mangle('-A POSTROUTING -j DSCP --set-dscp-class EF', '-A POSTROUTING -m dscp --dscp 46 -j TOS --or-tos 0x03'),
    mangle('-A POSTROUTING -p tcp -j ECN --ecn-tcp-remove', '-A POSTROUTING -j ECN --ecn-ip-ect 1'),
    mangle('-A POSTROUTING -p tcp -j ECN --ecn-tcp-cwr 1 --ecn-tcp-ece 1'),
    mangle('-A POSTROUTING -p tcp -m tcp --tcp-flags SYN SYN -j TCPMSS --set-mss 500'),
    mangle('-A POSTROUTING -p tcp -m tcp --tcp-flags SYN SYN -j TCPMSS --set-mss 9000', '-A POSTROUTING -p tcp'),
    mangle('-A POSTROUTING -p tcp -j TCPOPTSTRIP --strip-options 2,3,4,5,8'),
    mangle(
      '-A POSTROUTING -p tcp -j TCPOPTSTRIP --strip-options mss',
      '-A POSTROUTING -p tcp -m tcp --syn -j TCPMSS --set-mss 1000',
    ),
  ],
  6: [
    mangle('-A POSTROUTING -j HL --hl-inc 200', '-A OUTPUT -j HL --hl-set 1'),
    mangle('-A PREROUTING -m hl --hl-lt 2 -j HL --hl-set 2', '-A PREROUTING -m hl --hl-gt 63 -j HL --hl-set 1'),
    mangle('-A POSTROUTING -j TOS --set-tos 0xa5/0x0f', '-A FORWARD -j DSCP --set-dscp 1'),
    mangle('-A POSTROUTING -p tcp -m tcp --tcp-flags SYN SYN -j TCPMSS --set-mss 500'),
    mangle('-A POSTROUTING -p tcp -j TCPOPTSTRIP --strip-options 2,3,4,5,8'),
    mangle(
      '-A OUTPUT -j DNPT --src-pfx 2001:db8:9::/48 --dst-pfx 2001:db8:77::/64',
      '-A POSTROUTING -j SNPT --src-pfx 2001:db8:9::/56 --dst-pfx fd00::/8',
      '-A PREROUTING -j DNPT --src-pfx 2001:db8::/32 --dst-pfx fd00:1::/56',
    ),
  ],
};

/** The bytes of each packet when it left, by the reference; undefined where it did not. */
function leftOf(fuzzCase: FuzzCase): (Uint8Array | undefined)[] {
  const interpreter = new Interpreter(jobOf(fuzzCase));
  const frames: Frame[] = [];
  const reader = new CaptureReader((frame) => frames.push({ ...frame, bytes: frame.bytes.slice() }));
  reader.push(captureOf(fuzzCase));
  return frames.map((frame) => {
    const processed = interpreter.process(frame);
    const leaves = 'packet' in processed && processed.verdict === 'ACCEPT' && processed.hook !== 'INPUT';
    return leaves ? processed.packet.bytes : undefined;
  });
}

const hex = (bytes: Uint8Array | undefined): string => (bytes === undefined ? 'nothing' : Buffer.from(bytes).toString('hex'));

for (const backend of ['legacy', 'nft'] as const) {
  describeKernel(`bytes that leave, ${backend}`, () => {
    for (const family of [4, 6] as const) {
      test(`IPv${family} (seed ${SEED})`, { timeout: 240_000 }, async () => {
        const kernel = runningKernel(backend);
        const options = { packets: PACKETS, judge: 'kernel', backend, family, only: ['tcp'] } as const;
        const cases = casesOf(options, SEED, RULES[family].length * 3).map((one, i) =>
          withRules(one, RULES[family][i % RULES[family].length]!),
        );
        const wrong: string[] = [];
        let changed = 0;
        try {
          for (const { sent, outcome } of await askKernel(kernel, cases)) {
            expect(outcome.refused, sent.rules).toBeUndefined();
            for (const [i, bytes] of leftOf(sent).entries()) {
              const own = sent.packets[i]!.bytes;
              if (isErrorOfSocket(sent.packets[i]!, outcome.packets[i]!, sent.rules)) continue;
              // The stack writes into IPv4 options (record route, timestamp).
              if (family === 4 && own[0] !== 0x45) continue;
              // A raw socket fills in identification and source of what the host sends.
              if (sent.packets[i]!.direction === 'out' && family === 4 && (own[4] === 0 || own[12] === 0)) continue;
              const { left, ownAnswer } = outcome.packets[i]!;
              // The kernel's own has the traffic class of the packet it answers, of those that are answered alike.
              const difference = leftDifference(bytes && { bytes, free: ownAnswer ? [[0, 2]] : [], drawn: [] }, left);
              if (difference !== undefined) wrong.push(`${sent.rules.split('\n').at(-3)} ${hex(own)}: ${difference}`);
              if (left[0] !== undefined && left[0][1] !== own[1]) changed++;
            }
          }
        } finally {
          await kernel.close();
        }
        expect(wrong.slice(0, 5)).toEqual([]);
        expect(changed).toBeGreaterThan(20);
      });
    }
  });
}
