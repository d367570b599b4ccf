/**
 * `tcpdump -i any` calls packets on lo inbound; the engine took 127.0.0.1 from outside for a martian. Such a packet is sent and received by the host: OUTPUT, then INPUT.
 * Not asked of the kernel here: the oracle injects at Ethernet devices. A live session counted such packets on `-i lo` rules.
 */
import { describe, expect, it } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { fillChecksum, ipPacket, udpDatagram } from '../../src/fuzz/build-packet.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Job } from '../../src/model/witness.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import { parseSave } from '../../src/syntax/index.ts';

const RULES =
  '*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\n-A OUTPUT -o lo -j ACCEPT\nCOMMIT\n';

/** SLL2: protocol, reserved, interface index, ARPHRD_LOOPBACK, packet type "to us", no address. */
const SLL2 = [8, 0, 0, 0, 0, 0, 0, 1, 772 >> 8, 772 & 255, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0];

function capture(): Uint8Array {
  const source = '127.0.0.1';
  const fields = { family: 4 as const, source, destination: source, protocol: 17, ttl: 64, tos: 0, id: 1, fragment: 0 };
  const ip = { ...fields, options: new Uint8Array(0), lengthOff: 0, badChecksum: false };
  const datagram = udpDatagram(1000, 53, 4);
  fillChecksum(datagram, 6, ip);
  return writePcap([{ time: 1_700_000_000_000_000_000n, bytes: Uint8Array.from([...SLL2, ...ipPacket(ip, datagram)]) }], 276);
}

describe('a packet on lo in tcpdump -i any', () => {
  for (const [name, start] of [
    ['reference', (job: Job) => referenceSession(job)],
    ['tree', (job: Job) => engineSession(job)],
    ['linear', (job: Job) => engineSession(job, { tree: false })],
    ['debug', (job: Job) => engineSession(job, { build: 'debug' })],
  ] as const) {
    it(name, async () => {
      const host = buildHost({ local: ['192.0.2.1'], in: 'eth0' });
      const session = await start({ rules: { 4: parseSave(RULES, { file: 'lo', family: 4 }) }, host, profile: DEFAULT_PROFILE });
      session.startCapture('lo');
      session.feed(capture());
      session.endCapture();
      const { counters, verdicts } = session.result();
      expect(verdicts).toEqual({ ACCEPT: 1, DROP: 0, REJECT: 0, STACK: 0 });
      expect(counters[4]?.filter?.INPUT?.rules).toEqual([{ packets: 1, bytes: 32 }]);
      expect(counters[4]?.filter?.OUTPUT?.rules).toEqual([{ packets: 1, bytes: 32 }]);
    });
  }
});
