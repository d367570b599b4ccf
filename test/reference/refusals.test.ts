/** Which packets are taken for the host's own answers to what REJECT refused, where no kernel can be asked: it sends its answers at once. Reference and engine alike. */
import { describe, expect, it } from 'vitest';
import { ANSWER_WITHIN } from '../../src/abi/answers.ts';
import { fillHeaderChecksum } from '../../src/fuzz/build-packet.ts';
import { rejection } from '../../src/fuzz/rejection.ts';
import type { Frame, ReplayResult } from '../../src/model/witness.ts';
import { explain } from '../../src/reference/index.ts';
import { renderExplanation } from '../../src/report/explanation.ts';
import { WITNESSES } from '../kernel/witnesses.ts';
import { ip, ping, SYN, tcp, udp } from './build.ts';
import { frameOf, jobOf } from './replay.ts';

const [HOST, PEER] = ['192.0.2.1', '198.51.100.7'];
const RULES = `*filter
-A INPUT -p tcp -j REJECT --reject-with tcp-reset
-A INPUT -p udp -m mark --mark 2 -j ACCEPT
-A INPUT -p udp -j REJECT
-A OUTPUT -m conntrack --ctstate RELATED -m connmark --mark 1
-A OUTPUT -m conntrack --ctstate RELATED -m connmark --mark 2
-A OUTPUT -m conntrack --ctstate INVALID
COMMIT
*mangle
-A PREROUTING -m dscp --dscp 0 -j CONNMARK --set-mark 1
-A PREROUTING -m dscp --dscp 1 -j CONNMARK --set-mark 2
COMMIT
`;
const job = () => jobOf(RULES, { local: [HOST], in: 'eth0' });
const syn = tcp(`${PEER} 40000`, `${HOST} 22`, SYN);
const reset = rejection(syn, 4, 'tcp-reset', HOST)!;
const datagram = udp(`${PEER} 40000`, `${HOST} 53`);
const error = rejection(datagram, 4, 'icmp-port-unreachable', HOST)!;
/** Nothing to do with any of it. */
const others = (count: number): Uint8Array[] => Array.from({ length: count }, () => ping(PEER, HOST));

/** What the rules of OUTPUT count (RELATED with mark 1, with mark 2, INVALID), and how many answers there were. */
const told = ({ counters, answers }: ReplayResult): number[] => [
  ...counters[4]!.filter!.OUTPUT!.rules.map(({ packets }) => packets),
  answers,
];

const framesOf = (packets: readonly Uint8Array[], more: (i: number) => Partial<Frame> = () => ({})): Frame[] =>
  packets.map((bytes, i) => frameOf(bytes, i, more(i)));

describe('answers to what REJECT refused', () => {
  for (const witness of WITNESSES) {
    const ask = async (frames: readonly Frame[]): Promise<number[]> => told((await witness.replay(job(), frames)).result);

    it(`${witness.name}: are looked for among the next ${ANSWER_WITHIN} packets, whatever lies between`, async () => {
      expect(await ask(framesOf([syn, ...others(ANSWER_WITHIN - 1), reset]))).toEqual([1, 0, 0, 1]);
      expect(await ask(framesOf([syn, ...others(ANSWER_WITHIN), reset]))).toEqual([0, 0, 1, 0]);
    });

    it(`${witness.name}: each is the answer to one packet, to the latest that it fits`, async () => {
      const marked = tcp(`${PEER} 40000`, `${HOST} 22`, SYN, { tos: 4 });
      expect(await ask(framesOf([syn, marked, reset]))).toEqual([0, 1, 0, 1]);
      expect(await ask(framesOf([syn, marked, reset, reset, reset]))).toEqual([1, 1, 1, 2]);
    });

    it(`${witness.name}: as many as may lie between are remembered, and no more`, async () => {
      const ports = Array.from({ length: 3 * ANSWER_WITHIN }, (_, i) => 1000 + i);
      const refused = ports.map((port) => tcp(`${PEER} ${port}`, `${HOST} 22`, SYN));
      const answers = refused.map((one) => rejection(one, 4, 'tcp-reset', HOST)!);
      expect(await ask(framesOf([...refused, answers.at(-ANSWER_WITHIN)!]))).toEqual([1, 0, 0, 1]);
      expect(await ask(framesOf([...refused, answers.at(-ANSWER_WITHIN - 1)!]))).toEqual([0, 0, 1, 0]);
      expect(await ask(framesOf(refused.flatMap((one, i) => [one, answers[i]!])))).toEqual([
        refused.length,
        0,
        0,
        refused.length,
      ]);
    });

    it(`${witness.name}: rules may have changed TTL and TOS`, async () => {
      const changed = Uint8Array.from(error);
      changed[1] = 0x10;
      changed[8] = 63;
      fillHeaderChecksum(changed.subarray(0, 20));
      expect(await ask(framesOf([datagram, changed]))).toEqual([1, 0, 0, 1]);
    });

    it(`${witness.name}: of DCCP with a wrong sum, where the kernel asks no sum of it`, async () => {
      const dccp = ip(PEER, HOST, 33, new Uint8Array(32).fill(7));
      const frames = framesOf([dccp, rejection(dccp, 4, 'icmp-port-unreachable', HOST)!]);
      const rules = RULES.replace('-A INPUT -p udp -j REJECT', '-A INPUT -j REJECT');
      for (const [kernel, answers] of [
        ['6.1', 1],
        ['6.12', 1],
        ['6.18', 0],
      ] as const) {
        const { result } = await witness.replay(jobOf(rules, { local: [HOST], in: 'eth0' }, { kernel }), frames);
        expect([kernel, result.answers]).toEqual([kernel, answers]);
      }
    });

    it(`${witness.name}: of a capture that was cut, by what there is of them; sums are taken for right`, async () => {
      const lenient = jobOf(RULES, { local: [HOST], in: 'eth0' }, { prestack: 'lenient' });
      const wrong = udp(`${PEER} 40001`, `${HOST} 53`, { badChecksum: true, tos: 4 });
      const packets = [datagram, wrong, rejection(datagram, 4, 'icmp-port-unreachable', HOST)!];
      const cutAt = async (length: number): Promise<number[]> => {
        const frames = framesOf(packets).map((frame) => ({ ...frame, bytes: frame.bytes.subarray(0, length) }));
        return told((await witness.replay(lenient, frames)).result);
      };
      // Ports tell which of the two it is about; where there are none, the latest.
      expect(await cutAt(56)).toEqual([1, 0, 0, 1]);
      expect(await cutAt(28)).toEqual([0, 1, 0, 1]);
      // Not even an ICMP header.
      expect(await cutAt(27)).toEqual([0, 0, 1, 0]);
    });

    it.each([4, 6] as const)(
      `${witness.name}: of a translated IPv%i connection, cut anywhere: it is dropped where too little is left, and what lies behind it stays`,
      async (family) => {
        const [host, peer, to, kind] =
          family === 4 ? [HOST, PEER, '10.1.0.3', 'icmp'] : ['2001:db8:9::1', '2001:db8::2', '2001:db8:1::3', 'icmp6'];
        const lines = [
          ...['*raw', `-A PREROUTING -m u32 --u32 "0x0>>0x1c=0x${family}"`, 'COMMIT'],
          ...['*nat', `-A PREROUTING -d ${host} -j DNAT --to-destination ${to}`, 'COMMIT'],
          ...['*filter', '-A FORWARD -p udp -j REJECT', '-A OUTPUT -m conntrack --ctstate RELATED', 'COMMIT', ''],
        ];
        const lenient = jobOf(lines.join('\n'), { local: [host], in: 'eth0' }, { prestack: 'lenient' }, family);
        const refused = udp(`${peer} 40000`, `${host} 53`);
        const answer = rejection(refused, family, `${kind}-port-unreachable`, host)!;
        const quoted = family === 4 ? 28 : 48;
        const whole = quoted + (family === 4 ? 28 : 48);
        for (let length = quoted; length <= answer.length; length++) {
          const frames = framesOf([refused, answer, tcp(`${peer} 1`, `${to} 80`, SYN)]);
          frames[1]!.bytes = answer.subarray(0, length);
          const { result } = await witness.replay(lenient, frames);
          const [seen] = result.counters[family]!.raw!.PREROUTING!.rules;
          const { answers, verdicts } = result;
          expect([length, seen!.packets, answers, verdicts.DROP]).toEqual([length, 2, 1, length < whole ? 1 : 0]);
        }
      },
    );

    it(`${witness.name}: what came in is none, whatever it looks like`, async () => {
      const direction = (second: 'in' | 'out') => (i: number) => ({ direction: i === 0 ? ('in' as const) : second });
      expect(await ask(framesOf([datagram, error], direction('out')))).toEqual([1, 0, 0, 1]);
      expect(await ask(framesOf([datagram, error], direction('in')))).toEqual([0, 0, 0, 0]);
    });
  }

  it('trace says what a packet answers', () => {
    const explanation = explain(job(), framesOf([syn, reset]), 2)!;
    expect(explanation.events).toContainEqual({ kind: 'answer', packet: 1, attached: true });
    expect(renderExplanation(explanation)).toContain('the answer to packet 1, which went no further: it has its connection');
  });
});
