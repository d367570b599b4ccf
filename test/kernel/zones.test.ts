/** Zones of both directions of a connection, and of one (CT --zone-orig, --zone-reply): the same tuples in several of them, clashes, errors, translations. The running kernel judges. */
import { expect, it } from 'vitest';
import type { KernelOutcome } from '../../src/kernel/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { CtState } from '../../src/model/outcome.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { ACK, icmp, join, ping, SYN, tcp, udp } from '../reference/build.ts';
import { randomFrom } from '../reference/flows.ts';
import { FORWARDING, frameOf, STATE_MATCHES, STATES } from '../reference/replay.ts';
import { SEED } from '../seed.ts';
import { judge } from './differential.ts';
import { describeKernel } from './machine.ts';
import { WITNESSES } from './witnesses.ts';

const ENDS = { 4: ['10.0.0.1', '10.1.0.2'], 6: ['2001:db8::1', '2001:db8:1::2'] } as const;

/** The code point of a packet says which of the templates it gets. */
const CODES = 6;
const select = (code: number): string => `-A PREROUTING -m dscp --dscp ${code}`;

/** `templates`: what CT says for each code point; none: no template. */
function rulesOf(templates: readonly string[], tables = ''): string {
  const raw = templates.map((words, code) => (words === '' ? '' : `${select(code)} -j CT ${words}\n`)).join('');
  const more = ['--ctdir REPLY', '--ctstatus SEEN_REPLY', '--ctstatus CONFIRMED'].map((words) => `-m conntrack ${words}`);
  const probes = [...STATE_MATCHES, ...more]
    .flatMap((match) => [`-A PREROUTING ${match}\n`, `-A POSTROUTING ${match}\n`])
    .join('');
  return `*raw\n${raw}COMMIT\n*mangle\n${probes}-A PREROUTING -m mark --mark 3 -j CONNMARK --set-mark 3\nCOMMIT\n${tables}`;
}

const coded = (code: number) => ({ tos: code << 2 });

/** Counters, ways, connections and expectations of every witness as the kernel has them, on both backends. `apart`: milliseconds between packets. Out: the kernel's answers. */
async function agree(
  rules: string,
  packets: readonly Uint8Array[],
  { family = 4, apart = 0 }: { family?: Family; apart?: number } = {},
): Promise<KernelOutcome[]> {
  const outcomes: KernelOutcome[] = [];
  const frames = packets.map((bytes, i) => frameOf(bytes, i * apart));
  const spacing = apart === 0 ? ('topspeed' as const) : ('real' as const);
  for (const backend of ['legacy', 'nft'] as const) {
    const given = { rules: { [family]: rules }, host: buildHost(FORWARDING), frames, spacing, lists: true };
    const { outcome, found } = await judge(backend, given, WITNESSES);
    for (const [witness, lines] of found) expect(lines, `${backend}, ${witness}`).toEqual([]);
    outcomes.push(outcome);
  }
  return outcomes;
}

/** How many packets each kernel dropped. */
const drops = (outcomes: readonly KernelOutcome[]): number[] =>
  outcomes.map(({ packets }) => packets.filter(({ verdict }) => verdict === 'DROP').length);

/** How many packets each kernel gave a state, in PREROUTING. */
const counted = (outcomes: readonly KernelOutcome[], state: CtState): number[] =>
  outcomes.map(({ counters }) => counters.mangle!.PREROUTING!.rules[STATES.indexOf(state)]!.packets);

describeKernel('zones of one direction and the running kernel', () => {
  const DIFFERENT = ['', '--zone 5', '--zone-orig 5', '--zone-reply 5', '--zone-orig 6', '--zone-reply mark'];

  it.each([4, 6] as const)('who answers whom: every template asks, every template answers (IPv%i)', async (family) => {
    const [a, b] = ENDS[family];
    const packets = DIFFERENT.flatMap((_, asks) =>
      DIFFERENT.flatMap((__, answers) => {
        const [from, to] = [`${a} ${1000 + asks * CODES + answers}`, `${b} 53`];
        return [udp(from, to, coded(asks)), udp(to, from, coded(answers)), udp(from, to, coded(asks))];
      }),
    );
    for (const { conntrack } of await agree(rulesOf(DIFFERENT), packets, { family }))
      for (const word of ['zone=5', 'zone-orig=5', 'zone-orig=6', 'zone-reply=5']) expect(conntrack).toContain(` ${word} `);
  });

  it('one tuple in many zones: whose answers another has is dropped, whatever the protocol', async () => {
    const [a, b] = ENDS[4];
    const ask = (code: number, port: number): Uint8Array[] => [
      udp(`${a} ${port}`, `${b} 53`, coded(code)),
      tcp(`${a} ${port}`, `${b} 80`, SYN, { seq: 5, ...coded(code) }),
      ping(a, b, { id: port, ...coded(code) }),
    ];
    const answer = (code: number, port: number): Uint8Array[] => [
      udp(`${b} 53`, `${a} ${port}`, coded(code)),
      tcp(`${b} 80`, `${a} ${port}`, SYN | ACK, { seq: 9, ack: 6, ...coded(code) }),
      ping(b, a, { id: port, reply: true, ...coded(code) }),
    ];
    const orders = [
      [2, 4],
      [4, 2, 0],
      [0, 2],
      [3, 0],
      [1, 2, 3],
      [2, 3, 1, 4],
    ];
    const packets = orders.flatMap((codes, i) => [
      ...codes.flatMap((code) => ask(code, 2000 + i)),
      ...answer(0, 2000 + i),
      ...codes.flatMap((code) => ask(code, 2000 + i)),
      ...answer(1, 2000 + i),
    ]);
    const dropped = drops(await agree(rulesOf(DIFFERENT), packets));
    for (const count of dropped) expect(count).toBeGreaterThan(0);
    // A nat table finds other ports for some.
    const nat = '*nat\n-A POSTROUTING -p udp -m udp --dport 99 -j MASQUERADE\nCOMMIT\n';
    const fewer = drops(await agree(rulesOf(DIFFERENT, nat), packets));
    for (const [i, count] of fewer.entries()) expect(count).toBeLessThan(dropped[i]!);
  });

  it('the same tuples for several clients behind a translation', async () => {
    const [a, b] = ENDS[4];
    const nat = '*nat\n-A POSTROUTING -s 10.0.0.1/32 -p udp -j SNAT --to-source 10.1.0.200:4000\nCOMMIT\n';
    const packets = [2, 4, 2].flatMap((code) => [
      udp(`${a} 1000`, `${b} 53`, coded(code)),
      udp(`${b} 53`, '10.1.0.200 4000'),
      udp(`${b} 53`, '10.1.0.200 4001'),
    ]);
    for (const { conntrack } of await agree(rulesOf(['', '', '--zone-orig 5', '', '--zone-orig 6', ''], nat), packets))
      for (const line of [/ zone-orig=5 .* dport=4000 /, / dport=4001 /]) expect(conntrack).toMatch(line);
  });

  it.each([
    ['original', '--zone 5', '--zone-orig 5'],
    ['reply', '', '--zone-reply 5'],
  ])('in which zones NAT looks for who has the answers to a tuple: zone of the %s direction', async (_, opposite, own) => {
    const [a, b] = ENDS[4];
    const nat = `*nat
-A POSTROUTING -p udp -m udp --dport 99 -j MASQUERADE
-A POSTROUTING -s 10.0.0.1/32 -p tcp -j SNAT --to-source 10.1.0.200:4000-4001
COMMIT
`;
    const packets = [
      // The answers are another's, but a third one goes exactly the other way: the tuple stays, and clashes.
      udp(`${a} 1000`, `${b} 53`, coded(0)),
      udp(`${b} 53`, `${a} 1000`, coded(1)),
      udp(`${a} 1000`, `${b} 53`, coded(2)),
      udp(`${a} 1000`, `${b} 53`, coded(2)),
      // When few tries are left, a port is taken also where only the other zone has it.
      tcp(`${b} 80`, '10.1.0.200 4001', SYN, { seq: 5, ...coded(1) }),
      tcp(`${a} 1000`, `${b} 80`, SYN, { seq: 5, ...coded(2) }),
      tcp(`${b} 80`, '10.1.0.200 4000', SYN | ACK, { seq: 9, ack: 6, ...coded(0) }),
    ];
    const others = ['', '--zone 5'].filter((words) => words !== opposite);
    await agree(rulesOf([...others, opposite, own], nat), packets);
  });

  it('errors find the connection by the packet they quote', async () => {
    const [a, b] = ENDS[4];
    const packets = DIFFERENT.flatMap((_, asks) =>
      DIFFERENT.flatMap((__, tells) => {
        const question = udp(`${a} ${3000 + asks * CODES + tells}`, `${b} 53`, coded(asks));
        return [question, icmp('10.1.0.9', a, 3, 1, join([0, 0, 0, 0], question), coded(tells))];
      }),
    );
    const outcomes = await agree(rulesOf(DIFFERENT), packets);
    // Some tell of a connection, others of one that their zone does not have.
    for (const state of ['RELATED', 'INVALID'] as const)
      for (const count of counted(outcomes, state)) expect(count, state).toBeGreaterThan(0);
  });

  it('connlimit: what one template counted, looked for under another', { timeout: 60_000 }, async () => {
    const templates = DIFFERENT.slice(0, 5);
    const probes = [1, 2].map((limit) => `-A PREROUTING -m connlimit --connlimit-above ${limit}\n`).join('');
    const rules = rulesOf(templates).replace('*raw\n', `*raw\n${probes}`).replace('COMMIT\n', `${probes}COMMIT\n`);
    const packets = templates.flatMap((_, asks) =>
      templates.flatMap((__, tells) => {
        const end = 10 + asks * templates.length + tells;
        const [from, to] = [`10.0.0.${end} 1000`, `10.1.0.${end} 53`];
        return [udp(from, to, coded(asks)), udp(to, from, coded(tells)), udp(from, to, coded(tells)), udp(to, from, coded(asks))];
      }),
    );
    // Within one jiffy lists are not looked through.
    for (const { counters } of await agree(rules, packets, { apart: 40 })) {
      const { rules: counted } = counters.raw!.PREROUTING!;
      for (const { packets: hits } of [counted[0]!, counted.at(-2)!]) {
        expect(hits).toBeGreaterThan(0);
        expect(hits).toBeLessThan(packets.length);
      }
    }
  });

  it(`random templates and packets between a few ends (seed ${SEED})`, { timeout: 120_000 }, async () => {
    const random = randomFrom(SEED);
    const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;
    const words = [
      '',
      '--zone 1',
      '--zone-orig 1',
      '--zone-reply 1',
      '--zone 2',
      '--zone-orig 2',
      '--zone-reply 2',
      '--zone-orig 0',
    ];
    const outcomes: KernelOutcome[] = [];
    for (let round = 0; round < 6; round++) {
      const [a, b] = ENDS[4];
      const packets = Array.from({ length: 150 }, () => {
        const [from, to] = pick([
          [a, b],
          [b, a],
          [a, a],
        ]);
        const [sport, dport] = [pick([1000, 1001]), pick([1000, 1001])];
        const more = coded(Math.floor(random() * CODES));
        return pick([
          () => udp(`${from} ${sport}`, `${to} ${dport}`, more),
          () => udp(`${from} ${sport}`, `${to} ${dport}`, more),
          () => tcp(`${from} ${sport}`, `${to} ${dport}`, pick([SYN, SYN | ACK, ACK]), { seq: 5, ack: 6, ...more }),
          () => ping(from!, to!, { id: sport, reply: pick([true, false]), ...more }),
          () => icmp(to!, from!, 3, 1, join([0, 0, 0, 0], udp(`${from} ${sport}`, `${to} ${dport}`)), more),
        ])();
      });
      outcomes.push(...(await agree(rulesOf(Array.from({ length: CODES }, () => pick(words))), packets)));
    }
    const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
    expect(sum(drops(outcomes))).toBeGreaterThan(0);
    for (const state of ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED'] as const)
      expect(sum(counted(outcomes, state)), state).toBeGreaterThan(0);
  });
});
