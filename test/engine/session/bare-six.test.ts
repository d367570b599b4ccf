/** Plain segments over IPv6, judged by their bytes (assembly/six.ts); what is not plain about others is seen all the same. */
import { expect, test } from 'vitest';
import { SERVER6, six } from '../../../bench/recast.ts';
import { buildHost, type HostGiven } from '../../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../../src/model/profile.ts';
import type { Job } from '../../../src/model/witness.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';
import { LINKS, ofLinktype, over } from './links.ts';
import { randomOf } from './random.ts';
import { expectAlike } from './told.ts';
import { asPcap, asPcapng, type Draw, FLOWS, framesOf, PACKETS, type Packet, packetsOf } from './unusual.ts';

const [IP, TCP] = [14, 54];
const rulesOf = (hook: string): string => `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A ${hook} -m conntrack --ctstate INVALID
-A ${hook} -i eth1 -m conntrack --ctstate ESTABLISHED
-A ${hook} -s 2001:db8::b00:0/126 -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A ${hook} -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A ${hook} -m limit --limit 300/sec --limit-burst 2
COMMIT
`;
const HOSTS: readonly (readonly [string, HostGiven])[] = [
  ['INPUT', { local: [SERVER6], in: 'eth0' }],
  ['FORWARD', { forward: true, in: 'eth0', out: 'eth1' }],
];
const usual: Draw = (below) => below - 1;

/** What can be unusual about a segment over IPv6, beside what its TCP header says. */
const CHANGES: ((frame: DataView, draw: Draw) => void)[] = [
  (frame, draw) => frame.setUint8(IP + 7, draw(3)),
  (frame, draw) => frame.setUint16(IP + 4, [0, 19, 20, 21, 26, 200][draw(6)]!),
  (frame, draw) => frame.setUint8(IP + 6, [0, 6, 17, 43, 44, 60, 59][draw(7)]!),
  (frame, draw) => frame.setUint8(IP, [0x60, 0x61, 0x40, 0x6f][draw(4)]!),
  // A word of an address: another connection whose lowest words are the same.
  (frame, draw) => frame.setUint8(IP + 8 + 4 * draw(8) + draw(4), draw(3)),
  (frame, draw) => frame.setUint8(IP + 8 + 16 * draw(2), [0xff, 0xfe, 0][draw(3)]!),
  (frame, draw) => frame.setUint8(TCP + 13, [0x18, 0x10, 0x30, 0x11, 0x14, 0x02, 0x12, 0x00, 0x38][draw(9)]!),
  (frame, draw) => frame.setUint32(TCP + 4, frame.getUint32(TCP + 4) + [70_000, -70_000, 1, -1][draw(4)]!),
  (frame, draw) => frame.setUint8(TCP + 12, [0x40, 0x60, 0x50, 0xf0][draw(4)]!),
  (frame, draw) => frame.setUint16(TCP + 16, frame.getUint16(TCP + 16) ^ draw(2)),
  (frame, draw) => frame.setUint8(0, draw(2)),
];

function summed(frame: DataView): void {
  frame.setUint16(TCP + 16, 0);
  const length = Math.min(frame.getUint16(IP + 4), frame.byteLength - TCP);
  let sum = 6 + length;
  for (let at = IP + 8; at < IP + 40; at += 2) sum += frame.getUint16(at);
  for (let at = 0; at < length; at++) sum += frame.getUint8(TCP + at) << (at % 2 === 0 ? 8 : 0);
  frame.setUint16(TCP + 16, ~(sum % 0xffff) & 0xffff);
}

/** Segments over IPv4 as over IPv6, their sums right. */
function sixFrames(data: number, stamped: boolean): Uint8Array[] {
  const frames = framesOf(six(asPcap(packetsOf(usual, data, stamped))));
  for (const bytes of frames) summed(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  return frames;
}

/** Some come twice, are cut, are late or are changed; long breaks in between. */
function sixOf(draw: Draw, data: number, stamped: boolean): Packet[] {
  let clock = 0n;
  return sixFrames(data, stamped).flatMap((bytes) => {
    const frame = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (draw(6) === 0) {
      CHANGES[draw(CHANGES.length)]!(frame, draw);
      if (draw(4) > 0) summed(frame);
    }
    clock += BigInt(draw(300) === 0 ? 70_000_000 * draw(8) : draw(2000));
    const packet = { microseconds: clock, frame: draw(60) === 0 ? bytes.subarray(0, 50 + draw(30)) : bytes, wire: bytes.length };
    return draw(20) === 0 ? [packet, packet] : [packet];
  });
}

const jobOf = (hook: string, given: HostGiven, sysctls = {}, backend: 'nft' | 'legacy' = 'legacy'): Job => ({
  rules: { 6: parseSave(rulesOf(hook), { file: 'rules', family: 6 }) },
  host: buildHost(given),
  profile: { ...DEFAULT_PROFILE, backend, sysctls },
});

test.each(HOSTS)(
  `what is unusual about a segment over IPv6 is seen: %s (seed ${SEED})`,
  { timeout: 120_000 },
  async (hook, given) => {
    let bare = 0;
    for (let index = 0; index < 12; index++) {
      const draw = randomOf(SEED * 12 + index);
      const packets = sixOf(draw, [1, 7, 21, 700][draw(4)]!, draw(2) === 0);
      const link = LINKS[draw(LINKS.length)]!;
      const capture = [
        (): Uint8Array => asPcap(packets),
        (): Uint8Array => asPcapng(packets, draw, false),
        (): Uint8Array => ofLinktype(asPcap(over(link, packets, draw)), link.linktype),
      ][draw(3)]!();
      const job = jobOf(hook, given, { nf_conntrack_checksum: draw(2) }, index % 2 === 0 ? 'nft' : 'legacy');
      const { debug } = await expectAlike(job, capture, `case ${index}`);
      bare += debug.bareJudged();
    }
    expect(bare).toBeGreaterThan(0.2 * 12 * PACKETS);
  },
);

test.each(HOSTS)('segments over IPv6 that are as usual are not decoded: %s', async (hook, given) => {
  for (const [data, stamped] of [
    [1, false],
    [700, true],
  ] as const) {
    const packets = sixFrames(data, stamped).map((frame, index) => ({
      microseconds: BigInt(10 * index),
      frame,
      wire: frame.length,
    }));
    const { debug } = await expectAlike(jobOf(hook, given), asPcap(packets), 'usual');
    // Three of a handshake, one in each direction keeps its way.
    expect(debug.bareJudged()).toBeGreaterThan(PACKETS - 7 * FLOWS);
  }
});

test('those of another family are seen as before, where both have rules', { timeout: 60_000 }, async () => {
  const draw = randomOf(SEED);
  const four = packetsOf(draw, 1, false);
  const both = sixOf(draw, 1, false).flatMap((packet, index) =>
    four[index] === undefined ? [packet] : [packet, { ...four[index]!, microseconds: packet.microseconds }],
  );
  const job = jobOf('INPUT', { local: [SERVER6, '10.1.2.3'], in: 'eth0' });
  const rules = {
    ...job.rules,
    4: parseSave(rulesOf('INPUT').replace(/-s \S+/, '-s 11.0.0.0/30'), { file: 'rules', family: 4 }),
  };
  const { debug } = await expectAlike({ ...job, rules }, asPcap(both), 'both');
  expect(debug.bareJudged()).toBeGreaterThan(0.3 * 2 * PACKETS);
});
