/** SNMP in translated connections: addresses in messages, and messages that cannot be read. Compared with the running kernel: ways, counters, bytes that leave, entries. */
import { expect, it } from 'vitest';
import { seededDraw } from '../../src/fuzz/draw.ts';
import { snmpMessage } from '../../src/fuzz/snmp.ts';
import type { Ends } from '../../src/fuzz/talk.ts';
import { describeKernel } from '../kernel/machine.ts';
import { udp } from '../reference/build.ts';
import { SEED } from '../seed.ts';
import { expectAgreement, rulesOf } from './translation.ts';

const [AGENT, MANAGER, OUTSIDE, PUBLIC] = ['10.0.0.1', '10.1.0.2', '203.0.113.9', '198.51.100.80'];
const UDP = '-p udp -m udp --dport 161:163';
const SNAT = [`POSTROUTING -s ${AGENT} -j SNAT --to-source ${OUTSIDE}`];
const DNAT = [`PREROUTING -d ${PUBLIC} -j DNAT --to-destination ${AGENT}`];

const element = (tag: number, ...content: number[]): number[] => [tag, content.length, ...content];
const bytesOf = (address: string): number[] => address.split('.').map(Number);
const text = (bytes: readonly number[]): string => String.fromCharCode(...bytes);

interface Shape {
  version?: number;
  community?: string;
  pdu?: number;
  values?: readonly number[][];
}

/** A message with a binding for every value. */
function message({ version = 1, community = 'public', pdu = 0xa7, values = [element(0x40, ...bytesOf(AGENT))] }: Shape): string {
  const bindings = values.flatMap((value) => element(0x30, ...element(6, 43, 6, 1), ...value));
  const numbers = [1, 0, 0].flatMap((number) => element(2, number));
  const name = element(4, ...[...community].map((one) => one.charCodeAt(0)));
  return text(element(0x30, ...element(2, version), ...name, ...element(pdu, ...numbers, ...element(0x30, ...bindings))));
}

const SHAPES: readonly Shape[] = [
  {},
  { community: 'even' },
  { community: 'odd' },
  { version: 0 },
  { version: 3 },
  ...[0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa8].map((pdu) => ({ pdu })),
  { values: [] },
  { values: [element(0x40, ...bytesOf(MANAGER)), element(0x40, ...bytesOf(AGENT)), element(0x40, ...bytesOf(OUTSIDE))] },
  { values: [element(0x40, 10, 0, 0), element(0x40, ...bytesOf(AGENT))] },
  { values: [[]] },
  ...[0x02, 0x04, 0x05, 0x06, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x80, 0x81, 0x82, 0x83].map((tag) => ({
    values: [element(tag, ...(tag === 5 || tag >= 0x80 ? [] : [1]))],
  })),
  // Several values in one binding, in the order in which they are tried and in another.
  { values: [[...element(2, 1), ...element(0x40, ...bytesOf(AGENT))]] },
  { values: [[...element(0x40, ...bytesOf(AGENT)), ...element(0x41, 1), ...element(0x42, 1)]] },
  { values: [[...element(0x42, 1), ...element(0x41, 1)]] },
  { values: [[...element(2, 1), ...element(4, 1)]] },
];

describeKernel('snmp through translations', () => {
  it.each(['snmp', 'snmp_trap'])('%s: messages of all kinds', async (helper) => {
    const packets = SHAPES.flatMap((shape, i) => {
      const data = message(shape);
      const port = 3000 + i;
      return [
        udp(`${AGENT} ${port}`, `${MANAGER} 162`, { data }),
        udp(`${MANAGER} 162`, `${OUTSIDE} ${port}`, { data }),
        udp(`${AGENT} ${port}`, `${MANAGER} 163`, { data, noChecksum: true }),
      ];
    });
    const [said] = await expectAgreement(rulesOf(helper, UDP, SNAT), packets, 4, false);
    const left = said!.outcome.packets.filter(({ left: bytes }) => bytes.length > 0);
    expect(left.length).toBeGreaterThan(packets.length / 2);
    expect(left.length).toBeLessThan(packets.length);
  });

  it('an agent behind DNAT answers; the manager asks, and is not looked at', async () => {
    const data = message({ pdu: 0xa2 });
    const packets = [
      udp(`${MANAGER} 4000`, `${PUBLIC} 161`, { data: message({ pdu: 0xa0 }) }),
      udp(`${AGENT} 161`, `${MANAGER} 4000`, { data }),
      udp(`${AGENT} 161`, `${MANAGER} 4000`, { data: `${data}more` }),
      udp(`${AGENT} 161`, `${MANAGER} 4000`, { data: data.slice(0, -1) }),
      udp(`${MANAGER} 161`, `${PUBLIC} 163`, { data: 'anything' }),
      udp(`${AGENT} 163`, `${MANAGER} 161`, { data: 'anything' }),
    ];
    await expectAgreement(rulesOf('snmp', UDP, DNAT), packets, 4, false);
  });

  it(`random messages (seed ${SEED})`, { timeout: 60_000 }, async () => {
    const draw = seededDraw(SEED);
    const ends: Ends = { family: 4, client: AGENT, server: MANAGER, clientPort: 161, stranger: '192.0.2.1', ports: [1024] };
    const packets = Array.from({ length: 400 }, () => {
      const data = snmpMessage(draw, ends);
      return udp(`${AGENT} ${draw.pick([161, 3000])}`, `${MANAGER} ${draw.pick([162, 163])}`, {
        data,
        noChecksum: draw.chance(0.1),
      });
    });
    await expectAgreement(rulesOf('snmp', UDP, SNAT), packets, 4, false);
  });
});
