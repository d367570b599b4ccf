/** Linux 6.1 gives the data of a PPTP call the helper of its control connection: when one ends, so does the other, one inside the other's end. Judged by that kernel, on its virtual clock. */
import { expect, it } from 'vitest';
import { describeVirtual } from '../kernel/machine.ts';
import { differencesOf, judgeVirtual } from '../kernel/virtual-differential.ts';
import { ACK, PSH, RST, SYN, tcp } from '../reference/build.ts';
import { Conversation } from './conversation.ts';
import { helperProbes } from './judge.ts';
import { answer, call, data, start, started } from './pptp-messages.ts';

const [CLIENT, SERVER] = ['10.0.0.1', '10.1.0.2'];
const START = 1_700_000_000_000_000_000n;

describeVirtual('6.1', 'pptp', () => {
  it('a control connection is opened anew while its data lives', { timeout: 180_000 }, async () => {
    const talk = new Conversation(`${CLIENT} 2000`, `${SERVER} 1723`).open().say('client', start()).say('server', started());
    talk.say('client', call(5)).say('server', answer(9, 5));
    const calls = [data(CLIENT, SERVER, 9), data(SERVER, CLIENT, 5), data(CLIENT, SERVER, 9)];
    talk.packets.push(...calls);
    talk.send('client', RST);
    // From other numbers, for the first connection is over.
    const [from, to] = [`${CLIENT} 2000`, `${SERVER} 1723`];
    const again = [
      tcp(from, to, SYN, { seq: 900_000 }),
      tcp(to, from, SYN | ACK, { seq: 5000, ack: 900_001 }),
      tcp(from, to, ACK, { seq: 900_001, ack: 5001 }),
      tcp(from, to, PSH | ACK, { seq: 900_001, ack: 5001, data: start() }),
    ];
    const packets = [...talk.packets, ...again, ...calls].map((bytes, i) => ({ time: START + BigInt(i) * 1_000_000n, bytes }));
    const judged = await judgeVirtual('6.1', [
      { name: 'opened anew', rules: helperProbes('pptp', '-p tcp -m tcp --dport 1723'), packets },
    ]);
    expect(differencesOf(judged)).toEqual([]);
    expect(judged[0]!.outcome.counters.mangle?.POSTROUTING?.rules[0]?.packets, 'RELATED').toBeGreaterThan(0);
  });
});
