/** What the stack of a host says of what nobody hears, in the capture: of an unknown protocol with the packet's connection, of a port without it, as the running kernel has it. */
import { expect, it } from 'vitest';
import { ipPacket, usualFields } from '../../src/fuzz/build-packet.ts';
import { errorAbout, stackReset } from '../../src/fuzz/rejection.ts';
import { SYN, tcp, udp } from '../reference/build.ts';
import { describeKernel } from './machine.ts';
import { agree, counted, FIREWALL, INVALID, own, PEER, RELATED, rulesOf } from './refused.ts';

/** Nobody knows it. */
const PROTOCOL = 99;
const UNKNOWN = { 4: [3, 2, 0], 6: [4, 1, 6] } as const;
const PORT = { 4: [3, 3], 6: [1, 4] } as const;
const FILTER = ['-A INPUT', '-A OUTPUT'];
/** Who is known before conntrack looks, and by what mark. */
const IN_RAW = ['*raw', '-A OUTPUT -m connmark --mark 7', '-A OUTPUT -m conntrack --ctdir REPLY', 'COMMIT'];

describeKernel('what nobody hears', () => {
  for (const family of [4, 6] as const) {
    const [peer, firewall] = [PEER[family], FIREWALL[family]];
    const strange = (protocol: number, data: number): Uint8Array =>
      ipPacket(usualFields({ family, source: peer, destination: firewall, protocol }), new Uint8Array(data).fill(7));
    const unknown = (bytes: Uint8Array): Uint8Array | null => errorAbout(bytes, family, UNKNOWN[family], firewall);

    it(`IPv${family}: the error about a protocol that nobody knows has the packet's connection before raw`, async () => {
      const [one, other] = [strange(PROTOCOL, 40), strange(PROTOCOL + 1, 700)];
      const outcomes = await agree(rulesOf(FILTER, IN_RAW), [one, unknown(one), one, other, unknown(one), unknown(other)], {
        family,
      });
      expect(own(outcomes)).toEqual([
        [2, 5, 6],
        [2, 5, 6],
      ]);
      expect(counted(outcomes, RELATED)).toEqual([3, 3]);
      for (const { counters } of outcomes) expect(counters.raw!.OUTPUT!.rules.map(({ packets }) => packets)).toEqual([3, 3]);
    });

    it(`IPv${family}: the zone is the packet's; what was not tracked is not`, async () => {
      const [one, other] = [strange(PROTOCOL, 40), strange(PROTOCOL + 1, 40)];
      const raw = [
        '*raw',
        `-A PREROUTING -p ${PROTOCOL} -j CT --zone 5`,
        `-A PREROUTING -p ${PROTOCOL + 1} -j NOTRACK`,
        '-A OUTPUT -m conntrack --ctstate RELATED',
        'COMMIT',
      ];
      const outcomes = await agree(rulesOf(FILTER, raw), [one, unknown(one), other, unknown(other)], { family });
      expect(counted(outcomes, RELATED)).toEqual([1, 1]);
      expect(counted(outcomes, INVALID)).toEqual([1, 1]);
    });

    it(`IPv${family}: other codes, and what says the same of a port, are tracked like any packet`, async () => {
      const one = strange(PROTOCOL, 40);
      const datagram = udp(`${peer} 5000`, `${firewall} 53`);
      const segment = tcp(`${peer} 5000`, `${firewall} 80`, SYN);
      const packets = [
        one,
        errorAbout(one, family, PORT[family], firewall),
        datagram,
        errorAbout(datagram, family, PORT[family], firewall),
        segment,
        stackReset(segment, family),
      ];
      const outcomes = await agree(rulesOf(FILTER, IN_RAW), packets, { family });
      expect(own(outcomes)).toEqual([
        [4, 6],
        [4, 6],
      ]);
      for (const { counters } of outcomes) expect(counters.raw!.OUTPUT!.rules.map(({ packets }) => packets)).toEqual([0, 0]);
    });
  }
});
