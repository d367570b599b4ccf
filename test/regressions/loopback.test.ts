/**
 * `tcpdump -i any` calls packets on lo inbound; the engine took 127.0.0.1 from outside for a martian. Such a packet is sent and received by the host: OUTPUT, then INPUT.
 * Not asked of the kernel here: the oracle injects at Ethernet devices. A live session counted such packets on `-i lo` rules.
 * The same of what a pcapng file of lo flags: the engine believed it.
 */
import { describe, expect, it } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { concat, describe_, enhanced, option, section } from '../capture/build.ts';
import { WITNESSES } from './witnesses.ts';

const RULES =
  '*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\n-A OUTPUT -o lo -j ACCEPT\nCOMMIT\n';

/** SLL2: protocol, reserved, interface index, ARPHRD_LOOPBACK, packet type "to us", no address. */
const SLL2 = [8, 0, 0, 0, 0, 0, 0, 1, 772 >> 8, 772 & 255, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0];
const ETHERNET = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0];

/** From 127.0.0.1 to itself, behind a header of the link layer. */
function frame(header: readonly number[]): Uint8Array {
  const source = '127.0.0.1';
  const bytes = usualPacket({ family: 4, source, destination: source, protocol: 17 }, udpDatagram(1000, 53, 4));
  return Uint8Array.from([...header, ...bytes]);
}

/** pcapng of the device lo, whose writer flags every packet as inbound (1) or outbound (2). */
const flagged = (flags: number): Uint8Array =>
  concat(
    section(),
    describe_(1, { options: [option(2, Buffer.from('lo'))] }),
    enhanced(frame(ETHERNET), { options: [option(2, [flags, 0, 0, 0])] }),
  );

const CAPTURES: readonly (readonly [name: string, capture: Uint8Array])[] = [
  ['tcpdump -i any', writePcap([{ time: 1_700_000_000_000_000_000n, bytes: frame(SLL2) }], 276)],
  ['pcapng that calls it inbound', flagged(1)],
  ['pcapng that calls it outbound', flagged(2)],
];

/** A handshake, a SYN that is ignored, a RST that is out of the window: from one address of the host to another, from the IP header on. */
const DOUBTED_RESET = [
  '600000000014064020010db800090001000000000000000220010db8000900000000000000000001000000009c8853bf000000005002040060130000',
  '600000000014064020010db800090000000000000000000120010db800090001000000000000000200000000a5d287ed9c8853c05012200016420000',
  '600000000014064020010db800090001000000000000000220010db8000900000000000000000001000000009c8853c0a5d287ee5010040032430000',
  '600000000014064020010db800090001000000000000000220010db8000900000000000000000001000000005e149d9dd0783dfc50027210d8230000',
  '600000000014064020010db800090001000000000000000220010db8000900000000000000000001000000005e149da8d0783dfd50147210d8050000',
];

// The running kernel counts two INVALID packets for one (conntrack -S), which shows in what it remembers: the second look meets the RST of the first.
describe('an INVALID packet on lo is looked at when it leaves and when it arrives', () => {
  for (const [name, start] of WITNESSES) {
    it(name, async () => {
      const host = buildHost({ local: ['2001:db8:9::1', '2001:db8:9:1::2'], in: 'eth0' });
      const rules =
        '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate NEW\nCOMMIT\n';
      const packets = DOUBTED_RESET.map((hex, i) => ({
        time: 1_700_000_000_000_000_000n + BigInt(i) * 1_000_000n,
        bytes: new Uint8Array(Buffer.from(hex, 'hex')),
      }));
      const reasons: (string | undefined)[] = [];
      const job = {
        rules: { 6: parseSave(rules, { file: 'lo', family: 6 }) },
        host,
        profile: DEFAULT_PROFILE,
        packets: { path: false },
      };
      const session = await start(job, ({ reason }) => reasons.push(reason));
      session.startCapture('lo');
      session.feed(writePcap(packets, 101));
      session.endCapture();
      expect(reasons).toEqual([undefined, undefined, undefined, undefined, 'invalid rst']);
    });
  }
});

/** Echo request and, from the asked address, the reply: from one address of the host to another. */
const PING = [
  '4500001c00010000400165cc0a0900010a0901020800f64401bb0000',
  '4500001c00010000400165cc0a0901020a0900010000fe4401bb0000',
];

// The reply is INVALID when it leaves (no connection in zone 0), and ESTABLISHED when it arrives: the state is the last one, and so is the reason.
describe('a packet on lo that is INVALID in one zone and ESTABLISHED in the next has no reason left', () => {
  for (const [name, start] of WITNESSES) {
    it(name, async () => {
      const host = buildHost({ local: ['10.9.0.1', '10.9.1.2'], in: 'eth0' });
      const rules =
        '*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A PREROUTING -j CT --zone 9\n-A OUTPUT -s 10.9.0.1/32 -j CT --zone 9\nCOMMIT\n';
      const packets = PING.map((hex, i) => ({
        time: 1_700_000_000_000_000_000n + BigInt(i) * 1_000_000n,
        bytes: new Uint8Array(Buffer.from(hex, 'hex')),
      }));
      const seen: unknown[] = [];
      const job = {
        rules: { 4: parseSave(rules, { file: 'lo', family: 4 }) },
        host,
        profile: DEFAULT_PROFILE,
        packets: { path: false },
      };
      const session = await start(job, ({ ctstate, reason }) => seen.push([ctstate, reason]));
      session.startCapture('lo');
      session.feed(writePcap(packets, 101));
      session.endCapture();
      expect(seen).toEqual([
        ['NEW', undefined],
        ['ESTABLISHED', undefined],
      ]);
      expect(session.result().invalid).toEqual({});
    });
  }
});

describe.each(CAPTURES)('a packet on lo in %s', (_, capture) => {
  for (const [name, start] of WITNESSES) {
    it(name, async () => {
      const host = buildHost({ local: ['192.0.2.1'], in: 'eth0' });
      const session = await start({ rules: { 4: parseSave(RULES, { file: 'lo', family: 4 }) }, host, profile: DEFAULT_PROFILE });
      session.startCapture('lo');
      session.feed(capture);
      session.endCapture();
      const { counters, verdicts } = session.result();
      expect(verdicts).toEqual({ ACCEPT: 1, DROP: 0, REJECT: 0, STACK: 0 });
      expect(counters[4]?.filter?.INPUT?.rules).toEqual([{ packets: 1, bytes: 32 }]);
      expect(counters[4]?.filter?.OUTPUT?.rules).toEqual([{ packets: 1, bytes: 32 }]);
    });
  }
});
