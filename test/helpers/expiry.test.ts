/** How long helpers expect connections, on the kernels' own clock. Older kernels let a timer throw expectations away, which comes up to some seconds late; we look at the seconds around. */
import { expect, it } from 'vitest';
import { describeVirtual } from '../kernel/machine.ts';
import { differencesOf, judgeVirtual, type SentPacket } from '../kernel/virtual-differential.ts';
import { udp } from '../reference/build.ts';
import { Conversation, call } from './conversation.ts';
import { helperProbes } from './judge.ts';

const START = 1_700_000_000_000_000_000n;
const [CLIENT, SERVER] = ['10.0.0.1', '10.1.0.2'];

/** Packets a millisecond apart. */
const at = (seconds: number, packets: readonly Uint8Array[]): SentPacket[] =>
  packets.map((bytes, i) => ({ time: START + BigInt(Math.round(seconds * 1e9)) + BigInt(i) * 1_000_000n, bytes }));

function ftpAfter(index: number, seconds: number): SentPacket[] {
  const talk = new Conversation(`${CLIENT} ${2000 + index}`, `${SERVER} 21`).open().say('server', '220 ok\r\n');
  talk.say('client', 'USER x\r\n').say('client', `PORT 10,0,0,1,20,${index}\r\n`);
  return [...at(0, talk.packets), ...at(seconds, call(`${SERVER} 20`, `${CLIENT} ${5120 + index}`))];
}

function amandaAfter(index: number, seconds: number): SentPacket[] {
  const [asks, answers] = [`${CLIENT} ${700 + index}`, `${SERVER} 10080`];
  const talk = [udp(asks, answers), udp(answers, asks, { data: `CONNECT DATA ${5120 + index}\n` })];
  return [...at(0, talk), ...at(seconds, call(`${CLIENT} 20`, `${SERVER} ${5120 + index}`))];
}

const inOrder = (packets: SentPacket[]): SentPacket[] => packets.sort((a, b) => Number(a.time - b.time));

describeVirtual('6.1', 'expectations', () => {
  it('end after the time of their helper', { timeout: 180_000 }, async () => {
    const seconds = [1, 100, 170, 178, 195, 290, 298, 315, 400];
    const judged = await judgeVirtual('6.1', [
      {
        name: 'ftp, 300 seconds',
        rules: helperProbes('ftp', '-p tcp -m tcp --dport 21'),
        packets: inOrder(seconds.flatMap((late, i) => ftpAfter(i + 1, late))),
      },
      {
        name: 'amanda, 180 seconds',
        rules: helperProbes('amanda', '-p udp -m udp --dport 10080'),
        packets: inOrder(seconds.flatMap((late, i) => amandaAfter(i + 1, late))),
      },
    ]);
    expect(differencesOf(judged)).toEqual([]);
    // First packets of calls in time, and no others, are RELATED.
    const related = judged.map(({ outcome }) => outcome.counters.mangle?.POSTROUTING?.rules[0]?.packets);
    expect(related).toEqual([seconds.filter((late) => late < 300).length, seconds.filter((late) => late < 180).length]);
  });
});
