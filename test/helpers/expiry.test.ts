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

/** A phone registers for a minute, the registrar agrees after so many seconds, and calls. */
function sipAfter(index: number, seconds: number): SentPacket[] {
  const [phone, registrar] = [`${CLIENT} ${3000 + index}`, `${SERVER} 5060`];
  const says = (first: string): string =>
    [first, 'CSeq: 1 REGISTER', `Contact: <sip:x@${CLIENT}:${5120 + index}>;expires=60`, 'Content-Length: 0', '', ''].join(
      '\r\n',
    );
  return [
    ...at(0, [udp(phone, registrar, { data: says('REGISTER sip:x SIP/2.0') })]),
    ...at(seconds, [udp(registrar, phone, { data: says('SIP/2.0 200 OK') })]),
    ...at(seconds + 1, [udp(`${SERVER} 20`, `${CLIENT} ${5120 + index}`)]),
  ];
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
      {
        name: 'sip, 180 seconds for the answer',
        rules: helperProbes('sip', '-p udp -m udp --dport 5060'),
        packets: inOrder(seconds.flatMap((late, i) => sipAfter(i + 1, late))),
      },
    ]);
    expect(differencesOf(judged)).toEqual([]);
    // First packets of calls in time, and no others, are RELATED.
    const related = judged.map(({ outcome }) => outcome.counters.mangle?.POSTROUTING?.rules[0]?.packets);
    const within = (most: number): number => seconds.filter((late) => late < most).length;
    expect(related).toEqual([within(300), within(180), within(180)]);
  });

  it('are not counted any more when they are over', { timeout: 180_000 }, async () => {
    const [rules, sysctls] = [helperProbes('ftp', '-p tcp -m tcp --dport 21'), { nf_conntrack_expect_max: 3 }];
    const ask = (index: number, seconds: number): SentPacket[] =>
      ftpAfter(index, seconds).map(({ time, bytes }, i, { length }) => ({
        time: i < length - 3 ? time + BigInt(Math.round((seconds - 1) * 1e9)) : time,
        bytes,
      }));
    // The fourth finds no room, the fifth finds it again.
    const judged = await judgeVirtual('6.1', [
      {
        name: 'three at once, a fourth, a fifth when the others are over',
        rules,
        sysctls,
        packets: inOrder([...[1, 2, 3].flatMap((index) => ftpAfter(index, 400)), ...ask(4, 100), ...ask(5, 350)]),
      },
    ]);
    // The announcement that finds no room is dropped behind the last rule, of which no trace of 6.1 tells: it is the packet that did not leave, and the only one that the witnesses drop.
    const stayed = judged[0]!.outcome.packets.flatMap(({ left }, i) => (left.length === 0 ? [i + 1] : []));
    expect(stayed).toHaveLength(1);
    expect(differencesOf(judged)).toEqual([]);
    for (const packets of judged[0]!.witnessed)
      expect(packets.flatMap(({ verdict, packet }) => (verdict === 'DROP' ? [packet] : []))).toEqual(stayed);
    expect(judged[0]!.outcome.counters.mangle?.POSTROUTING?.rules[0]?.packets).toBe(1);
  });
});
