/** pptp: control connections agree on calls, whose data (GRE) is related to them; judged by the running kernel packet by packet. */
import { describe, expect, it } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { ask } from '../../src/fuzz/differential.ts';
import { PROGRAMS } from '../../src/fuzz/witness.ts';
import type { Job } from '../../src/model/witness.ts';
import { describeKernel } from '../kernel/machine.ts';
import { icmp, join, u16, udp } from '../reference/build.ts';
import { randomFrom } from '../reference/flows.ts';
import { FORWARDING, jobOf } from '../reference/replay.ts';
import { SEED } from '../seed.ts';
import { Conversation, type Side } from './conversation.ts';
import { Interrupted } from './interrupted.ts';
import { expectAgreement, helperProbes } from './judge.ts';
import {
  accept,
  answer,
  call,
  clear,
  connected,
  data,
  disconnected,
  incoming,
  message,
  start,
  started,
} from './pptp-messages.ts';

const [CLIENT, SERVER] = ['10.0.0.1', '10.1.0.2'];
const RULES = helperProbes('pptp', '-p tcp -m tcp --dport 1723');

class Control extends Interrupted<Conversation> {
  readonly client: string;

  constructor(client: string, port: number, packets: Uint8Array[] = []) {
    super(new Conversation(`${client} ${port}`, `${SERVER} 1723`), packets);
    this.client = client;
  }

  /** Data in both directions, each with its receiver's key, and with another. */
  data(pns: number, pac: number): this {
    this.packets.push(data(this.client, SERVER, pac), data(SERVER, this.client, pns), data(this.client, SERVER, pac));
    this.packets.push(data(this.client, SERVER, pac + 1), data(SERVER, this.client, pns + 1), data(SERVER, this.client, pns));
    return this;
  }

  close(): this {
    this.talk.close();
    return this.take();
  }
}

describeKernel('pptp and the running kernel', () => {
  it('calls by the client: data before, in time, from the other side first, again, and after the end', async () => {
    const packets: Uint8Array[] = [];
    new Control(CLIENT, 2000, packets)
      .say('client', start())
      .say('server', started())
      .say('client', call(0x1100))
      .data(0x1100, 0x2200);
    const one = new Control('10.0.0.2', 2000, packets).say('client', start()).say('server', started());
    one.say('client', call(0x1111)).say('server', answer(0x2222, 0x1111)).data(0x1111, 0x2222);
    one.say('server', answer(0x2222, 0x1111)).data(0x1111, 0x2222).say('server', answer(0x3333, 0x1111)).data(0x1111, 0x3333);
    one.say('client', clear(0x1111)).say('server', disconnected(0x2222)).data(0x1111, 0x2222);
    one.say('client', call(0x1112)).say('server', answer(0x2223, 0x1112)).data(0x1112, 0x2223).close().data(0x1112, 0x2223);
    const two = new Control('10.0.0.3', 2000, packets).say('client', start()).say('server', started());
    two.say('client', call(7)).say('server', answer(8, 7));
    packets.push(data(SERVER, '10.0.0.3', 7), data('10.0.0.3', SERVER, 8), data('10.0.0.3', SERVER, 8, 0));
    packets.push(icmp(SERVER, '10.0.0.3', 3, 2, join([0, 0, 0, 0], data('10.0.0.3', SERVER, 8))));
    packets.push(icmp('10.0.0.3', SERVER, 3, 2, join([0, 0, 0, 0], data(SERVER, '10.0.0.3', 7))));
    two.say('server', disconnected(8)).data(7, 8);
    await expectAgreement(RULES, packets);
  });

  it('calls by the server, refusals, ids that are not those, messages out of order', async () => {
    const packets: Uint8Array[] = [];
    const turns: readonly (readonly [Side, string])[][] = [
      [
        ['server', incoming(9)],
        ['client', accept(5, 9)],
        ['server', connected(5)],
      ],
      [
        ['server', incoming(9)],
        ['client', accept(5, 9)],
        ['server', connected(6)],
      ],
      [
        ['server', incoming(9)],
        ['client', accept(5, 8)],
        ['server', connected(5)],
      ],
      [
        ['server', incoming(9)],
        ['client', accept(5, 9, 2)],
        ['server', connected(5)],
      ],
      [['server', connected(5)]],
      [
        ['client', call(5)],
        ['server', answer(9, 6)],
      ],
      [
        ['client', call(5)],
        ['server', answer(9, 5, 2)],
        ['server', answer(9, 5)],
      ],
      [
        ['client', call(5)],
        ['client', call(6)],
        ['server', answer(9, 5)],
        ['server', answer(9, 6)],
      ],
      [['server', answer(9, 0)]],
      [
        ['client', message(3, [1])],
        ['client', call(5)],
        ['server', answer(9, 5)],
      ],
      [
        ['client', message(3, [1])],
        ['server', message(4, [1])],
        ['client', start()],
        ['server', started()],
        ['client', call(5)],
        ['server', answer(9, 5)],
      ],
      [
        ['client', message(3, [1])],
        ['server', message(4, [2])],
        ['client', start()],
        ['server', started()],
        ['client', call(5)],
        ['server', answer(9, 5)],
      ],
      [
        ['server', started(2)],
        ['client', call(5)],
        ['server', answer(9, 5)],
      ],
      [
        ['client', message(5)],
        ['server', message(6)],
        ['client', call(5)],
        ['server', message(14)],
        ['server', answer(9, 5)],
      ],
      [
        ['server', call(5)],
        ['client', answer(9, 5)],
      ],
      [
        ['client', message(200)],
        ['client', call(5)],
        ['server', answer(9, 5)],
      ],
    ];
    for (const [i, said] of turns.entries()) {
      const control = new Control(`10.0.0.${i + 1}`, 3000, packets).say('client', start()).say('server', started());
      for (const [side, words] of said) control.say(side, words);
      control.data(5, 9);
    }
    await expectAgreement(RULES, packets);
  });

  it('messages that are one byte short are not read', async () => {
    const packets: Uint8Array[] = [];
    for (const [i, short] of [1, 2, 7, 8, 9, 10, 11].entries()) {
      const cut = (type: number, first: readonly number[]): string => message(type, first, type === short ? -1 : 0);
      const control = new Control(`10.0.0.${i + 1}`, 4000, packets)
        .say('client', cut(1, [1, 0]))
        .say('server', cut(2, [1, 0, 1]));
      if (short < 9) control.say('client', cut(7, u16(5))).say('server', cut(8, [...u16(9), ...u16(5), 1]));
      else
        control
          .say('server', cut(9, u16(9)))
          .say('client', cut(10, [...u16(5), ...u16(9), 1]))
          .say('server', cut(11, u16(5)));
      control.data(5, 9);
    }
    const last = new Control('10.0.0.9', 4000, packets).say('client', start()).say('server', started()).say('client', call(5));
    last
      .say('server', `${answer(9, 5)}${answer(7, 5)}`)
      .data(5, 9)
      .data(5, 7)
      .say('server', message(13, u16(9), -1))
      .data(5, 9);
    await expectAgreement(RULES, packets);
  });

  it(`random calls of two clients with few ids (seed ${SEED})`, { timeout: 120_000 }, async () => {
    const random = randomFrom(SEED);
    const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;
    for (let round = 0; round < 4; round++) {
      const packets: Uint8Array[] = [];
      const controls = [CLIENT, CLIENT, '10.0.0.2'].map((client, i) =>
        new Control(client, 5000 + i, packets).say('client', start()).say('server', started()),
      );
      const id = (): number => pick([1, 2, 3]);
      const moves: readonly ((control: Control) => unknown)[] = [
        (control) => control.say('client', call(id())),
        (control) => control.say('server', answer(id(), id())),
        (control) => control.say('server', answer(id(), id())),
        (control) => control.say('server', incoming(id())),
        (control) => control.say('client', accept(id(), id())),
        (control) => control.say('server', connected(id())),
        (control) => control.say('server', disconnected(id())),
        ({ client }) => packets.push(data(client, SERVER, id())),
        ({ client }) => packets.push(data(SERVER, client, id())),
        ({ client }) => packets.push(data(client, SERVER, id()), data(SERVER, client, id())),
      ];
      // So that something is agreed on.
      const agreed = controls[0]!.say('client', call(1)).say('server', answer(2, 1));
      packets.push(data(agreed.client, SERVER, 2));
      for (let i = 0; i < 120; i++) pick(moves)(pick(controls));
      await expectAgreement(RULES, packets);
    }
  });
});

type Timed = readonly { seconds: number; bytes: Uint8Array }[];

/** What a witness says of each packet, one behind the other, a millisecond apart unless a time is given. */
async function statesOf(name: string, packets: Timed, sysctls: Job['profile']['sysctls'] = {}): Promise<string[]> {
  const frames = packets.map(({ seconds, bytes }, i) => ({
    time: 1_700_000_000_000_000_000n + BigInt(seconds) * 1_000_000_000n + BigInt(i) * 1_000_000n,
    bytes,
  }));
  const job = jobOf(RULES, FORWARDING, { sysctls }, 4);
  const { packets: seen } = await ask(PROGRAMS[name]!, job, writePcap(frames, 101));
  return seen.map(({ ctstate }) => ctstate ?? 'none');
}

const OURS = ['reference', 'engine', 'debug'];

describe('data whose control connection is over', () => {
  const call5 = (): Uint8Array[] => {
    const talk = new Control(CLIENT, 2000).say('client', start()).say('server', started());
    return talk.say('client', call(5)).say('server', answer(9, 5)).data(5, 9).reset().packets;
  };
  const both = [data(CLIENT, SERVER, 9), data(SERVER, CLIENT, 5)];
  const at = (seconds: number, all: readonly Uint8Array[]) => all.map((bytes) => ({ seconds, bytes }));

  it.each(OURS)('lives on until a packet finds that, however many others come (%s)', async (name) => {
    const others = Array.from({ length: 6000 }, (_, i) => udp(`10.0.1.${i % 250} ${1000 + i}`, `${SERVER} 53`));
    // No sweep, whenever it comes, ends the call.
    const states = await statesOf(name, [...at(0, call5()), ...at(20, [...others, ...both])]);
    expect(states.slice(-2)).toEqual(['ESTABLISHED', 'ESTABLISHED']);
  });

  it.each(OURS)('ends when the collector must have come, two minutes later at the latest (%s)', async (name) => {
    // The control connection is over ten seconds after its RST.
    const states = await statesOf(name, [...at(0, call5()), ...at(60, both), ...at(131, both)]);
    expect(states.slice(-4)).toEqual(['ESTABLISHED', 'ESTABLISHED', 'NEW', 'NEW']);
  });

  it.each(OURS)('does not fill a table (%s)', async (name) => {
    const calls = 20;
    const round = (number: number): Timed =>
      Array.from({ length: calls }, (_, i) => {
        const id = 1 + number * calls + i;
        const talk = new Control(CLIENT, 2000 + id).say('client', start()).say('server', started());
        const { packets } = talk.say('client', call(id)).say('server', answer(9000 + id, id));
        return at(number * 400, [
          ...packets,
          data(CLIENT, SERVER, 9000 + id),
          data(SERVER, CLIENT, id),
          ...talk.reset().packets.slice(-1),
        ]);
      }).flat();
    const first = round(0);
    // Room for one round, and half of the next.
    const states = await statesOf(name, [0, 1, 2, 3].flatMap(round), { nf_conntrack_max: 3 * calls });
    for (let number = 1; number < 4; number++)
      expect(states.slice(number * first.length, (number + 1) * first.length)).toEqual(states.slice(0, first.length));
    expect(states).toContain('RELATED');
  });
});
