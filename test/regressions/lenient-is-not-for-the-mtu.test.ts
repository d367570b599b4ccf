/**
 * `--prestack lenient` was asked for because of unfinished checksums, and switched the look at the MTU off: a router sent on ICMP and UDP that no device of its takes (found by a newcomer). Only what the kernel has as
 * several packets is cut by a device (skb_is_gso in ip_exceeds_mtu and ip6_pkt_too_big): TCP, and UDP of UDP_SEGMENT, larger than what comes in at once.
 */
import { describe, expect, it } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE, type Profile } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { WITNESSES } from './witnesses.ts';

const RULES = '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n';
const [ICMP, TCP, UDP] = [1, 6, 17];

/** 10.1.0.9 to 10.2.0.9, with DF; the transport checksum is that of the pseudo header alone, or 1. */
function packet(protocol: number, length: number, unfinished: boolean): Uint8Array {
  const bytes = Buffer.alloc(length);
  bytes.set([0x45, 0, length >> 8, length & 255, 0, 1, 0x40, 0, 64, protocol, 0, 0, 10, 1, 0, 9, 10, 2, 0, 9]);
  const header = [...Array(10).keys()].reduce((sum, word) => sum + bytes.readUInt16BE(2 * word), 0);
  bytes.writeUInt16BE(~((header & 0xffff) + (header >> 16)) & 0xffff, 10);
  const pseudo = 0x0a01 + 9 + 0x0a02 + 9 + protocol + length - 20;
  if (protocol === TCP) {
    bytes.set([0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0], 20);
    bytes.writeUInt16BE(unfinished ? pseudo : 1, 36);
  } else if (protocol === UDP) {
    bytes.set([0, 1, 0, 2, (length - 20) >> 8, (length - 20) & 255], 20);
    bytes.writeUInt16BE(unfinished ? pseudo : 1, 26);
  } else {
    bytes.set([8, 0], 20);
  }
  return new Uint8Array(bytes);
}

const host = (mtu: number) =>
  buildHost({
    addresses: [
      { ifname: 'eth0', mtu, addr_info: [{ family: 'inet', local: '10.1.0.1', prefixlen: 24 }] },
      { ifname: 'eth1', mtu: 1400, addr_info: [{ family: 'inet', local: '10.2.0.1', prefixlen: 24 }] },
    ],
    in: 'eth0',
  });

const [LENIENT, OFFLOAD, WIRE]: Partial<Profile>[] = [{ prestack: 'lenient' }, { checksums: 'offload' }, { checksums: 'wire' }];

/** In by a device of that MTU, out by one of 1400. */
const CASES: [what: string, profile: Partial<Profile>, mtu: number, bytes: Uint8Array, sent: boolean][] = [
  ['ICMP, lenient', LENIENT!, 1500, packet(ICMP, 1600, false), false],
  ['UDP that came at once, lenient', LENIENT!, 1500, packet(UDP, 1500, true), false],
  ['UDP that fits, lenient', LENIENT!, 1500, packet(UDP, 1400, true), true],
  ['UDP of several, lenient', LENIENT!, 1500, packet(UDP, 1501, false), true],
  ['TCP of several, lenient', LENIENT!, 1500, packet(TCP, 4000, false), true],
  ['TCP that came at once, lenient', LENIENT!, 9000, packet(TCP, 4000, true), false],
  ['TCP of several, left to devices', OFFLOAD!, 1500, packet(TCP, 4000, true), true],
  ['UDP of several, left to devices', OFFLOAD!, 1500, packet(UDP, 4000, true), true],
  ['TCP with a sum of its own among such', OFFLOAD!, 1500, packet(TCP, 4000, false), false],
  ['TCP that came at once, left to devices', OFFLOAD!, 9000, packet(TCP, 4000, true), false],
  ['TCP off a wire', WIRE!, 1500, packet(TCP, 4000, true), false],
];

describe.each(WITNESSES)('%s', (_, start) => {
  it.each(CASES)('%s', async (_what, profile, mtu, bytes, sent) => {
    const outcomes: PacketOutcome[] = [];
    const session = await start(
      {
        rules: { 4: parseSave(RULES, { file: 'mtu', family: 4 as const }) },
        host: host(mtu),
        profile: { ...DEFAULT_PROFILE, ...profile },
        packets: { path: false },
      },
      (outcome) => outcomes.push(outcome),
    );
    session.startCapture('mtu');
    session.feed(writePcap([{ time: 1_700_000_000_000_000_000n, bytes }], 101));
    session.endCapture();
    expect(outcomes[0]!.verdict).toBe(sent ? 'ACCEPT' : 'STACK');
    if (!sent) expect(outcomes[0]!.reason).toMatch(/MTU|too big/);
  });
});
