/** Zones of both directions of a connection, and of one (CT --zone-orig, --zone-reply): the same tuples in several of them, clashes, errors, translations. The running kernel judges. */
import { expect, it } from 'vitest';
import { expectationDifferences, listingDifferences } from '../../src/fuzz/listing.ts';
import { comparedKernel, comparedWitness, compareOutcomes, type KernelJob, runKernel } from '../../src/kernel/index.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { engineSession } from '../../src/replay/engine-session.ts';
import { referenceSession } from '../../src/replay/reference-session.ts';
import type { Session } from '../../src/replay/session.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { ACK, icmp, join, ping, SYN, tcp, udp } from '../reference/build.ts';
import { randomFrom } from '../reference/flows.ts';
import { FORWARDING, frameOf } from '../reference/replay.ts';
import { describeKernel } from './machine.ts';
import { stampedCapture } from './stamped.ts';

const ENDS = { 4: ['10.0.0.1', '10.1.0.2'], 6: ['2001:db8::1', '2001:db8:1::2'] } as const;
const SEED = Number(process.env.WASMTABLES_SEED ?? 1);

/** The code point of a packet says which of the templates it gets. */
const CODES = 6;
const select = (code: number): string => `-A PREROUTING -m dscp --dscp ${code}`;

/** `templates`: what CT says for each code point; none: no template. */
function rulesOf(templates: readonly string[], more = ''): string {
  const raw = templates.map((words, code) => (words === '' ? '' : `${select(code)} -j CT ${words}\n`)).join('');
  const states = ['INVALID', 'NEW', 'ESTABLISHED', 'RELATED', 'UNTRACKED'].map((state) => `--ctstate ${state}`);
  const probes = [...states, '--ctdir REPLY', '--ctstatus SEEN_REPLY', '--ctstatus CONFIRMED']
    .flatMap((words) => [`-A PREROUTING -m conntrack ${words}\n`, `-A POSTROUTING -m conntrack ${words}\n`])
    .join('');
  return `*raw\n${raw}COMMIT\n*mangle\n${probes}-A PREROUTING -m mark --mark 3 -j CONNMARK --set-mark 3\nCOMMIT\n${more}`;
}

const coded = (code: number) => ({ tos: code << 2 });

/** Counters, ways, connections and expectations of every witness as the kernel has them, on both backends. `apart`: nanoseconds between packets. Out: the kernel's list of the last. */
async function agree(rules: string, packets: readonly Uint8Array[], family: Family = 4, apart = 0n): Promise<string> {
  let listed = '';
  for (const backend of ['legacy', 'nft'] as const) {
    const frames = packets.map((bytes, i) => ({ time: apart * BigInt(i), bytes, direction: 'in' as const }));
    const job: KernelJob = {
      backend,
      family,
      rules,
      topology: 'forward',
      trace: true,
      frames,
      spacing: apart === 0n ? 'topspeed' : 'real',
    };
    const outcome = await runKernel(job);
    expect(outcome.refused).toBeUndefined();
    listed = outcome.conntrack;
    const hz = outcome.kernel.hz || DEFAULT_PROFILE.hz;
    const given = { [family]: parseSave(rules, { file: 'rules', family }) };
    const profile = { ...DEFAULT_PROFILE, backend, hz };
    const asked = { rules: given, host: buildHost(FORWARDING), profile, packets: { path: true } };
    const sent = packets.map((bytes, i) => ({ ...frameOf(bytes), time: outcome.packets[i]!.injected }));
    for (const start of [referenceSession, engineSession] as const) {
      const outcomes: PacketOutcome[] = [];
      const session: Session = await start(asked, { onPacket: (one) => outcomes.push(one) });
      session.startCapture('frames');
      session.feed(stampedCapture(sent));
      session.endCapture();
      const listing = { text: outcome.conntrack, ...outcome.listed, hz };
      expect(
        [
          ...compareOutcomes(
            comparedKernel(job, outcome),
            comparedWitness(start.name, session.result().counters[family] ?? {}, outcomes),
          ),
          ...listingDifferences(listing, (at) => session.connections(at)),
          ...expectationDifferences({ ...listing, expectations: outcome.expectations }, session),
        ],
        `${backend}, ${start.name}`,
      ).toEqual([]);
    }
  }
  return listed;
}

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
    const listed = await agree(rulesOf(DIFFERENT), packets, family);
    for (const word of ['zone=5', 'zone-orig=5', 'zone-orig=6', 'zone-reply=5']) expect(listed).toContain(` ${word} `);
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
    await agree(rulesOf(DIFFERENT), packets);
    // A nat table finds other ports for some.
    await agree(rulesOf(DIFFERENT, '*nat\n-A POSTROUTING -p udp -m udp --dport 99 -j MASQUERADE\nCOMMIT\n'), packets);
  });

  it('the same tuples for several clients behind a translation', async () => {
    const [a, b] = ENDS[4];
    const nat = '*nat\n-A POSTROUTING -s 10.0.0.1/32 -p udp -j SNAT --to-source 10.1.0.200:4000\nCOMMIT\n';
    const packets = [2, 4, 2].flatMap((code) => [
      udp(`${a} 1000`, `${b} 53`, coded(code)),
      udp(`${b} 53`, '10.1.0.200 4000'),
      udp(`${b} 53`, '10.1.0.200 4001'),
    ]);
    await agree(rulesOf(['', '', '--zone-orig 5', '', '--zone-orig 6', ''], nat), packets);
  });

  it('errors find the connection by the packet they quote', async () => {
    const [a, b] = ENDS[4];
    const packets = DIFFERENT.flatMap((_, asks) =>
      DIFFERENT.flatMap((__, tells) => {
        const question = udp(`${a} ${3000 + asks * CODES + tells}`, `${b} 53`, coded(asks));
        return [question, icmp('10.1.0.9', a, 3, 1, join([0, 0, 0, 0], question), coded(tells))];
      }),
    );
    await agree(rulesOf(DIFFERENT), packets);
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
    await agree(rules, packets, 4, 40_000_000n);
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
      await agree(rulesOf(Array.from({ length: CODES }, () => pick(words))), packets);
    }
  });
});
