/** pptp in translated connections: the server is told another id of the client's, and data follows. Compared with the running kernel: ways, counters, bytes, entries, expectations. */
import { expect, it } from 'vitest';
import { describeKernel } from '../kernel/machine.ts';
import { icmp, join, u16 } from '../reference/build.ts';
import { randomFrom } from '../reference/flows.ts';
import { SEED } from '../seed.ts';
import type { Side } from './conversation.ts';
import { Interrupted } from './interrupted.ts';
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
import { ThroughNat } from './through-nat.ts';
import { expectAgreement, rulesOf } from './translation.ts';

const [OUTSIDE, SERVER, PUBLIC] = ['203.0.113.9', '10.1.0.2', '198.51.100.80'];
const PPTP = '-p tcp -m tcp --dport 1723';
const SNAT = [`POSTROUTING -s 10.0.0.0/24 -j SNAT --to-source ${OUTSIDE}`];
const DNAT = [`PREROUTING -d ${PUBLIC} -j DNAT --to-destination ${SERVER}`];

/** A control connection through the translator; its packets stand among those of others. */
class Control extends Interrupted<ThroughNat> {
  /** Whom each side talks to, by address. */
  readonly #ends: Record<Side, { own: string; other: string }>;

  constructor(packets: Uint8Array[], client: string, port: number, published = false) {
    const [seen, called] = published ? [client, PUBLIC] : [OUTSIDE, SERVER];
    const ends = [
      { own: `${client} ${port}`, other: `${called} 1723` },
      { own: `${SERVER} 1723`, other: `${seen} ${port}` },
    ] as const;
    super(new ThroughNat(...ends), packets);
    this.#ends = { client: { own: client, other: called }, server: { own: SERVER, other: seen } };
    this.say('client', start()).say('server', started());
  }

  /** Data by one side, to a key. */
  data(side: Side, ...keys: number[]): this {
    const { own, other } = this.#ends[side];
    this.packets.push(...keys.map((key) => data(own, other, key)));
    return this;
  }
}

describeKernel('pptp through translations', () => {
  it('a call by a client behind SNAT: the server knows it by the port it sees', async () => {
    const packets: Uint8Array[] = [];
    const one = new Control(packets, '10.0.0.1', 2000).say('client', call(0x1111)).say('server', answer(0x2222, 2000));
    one.data('client', 0x2222, 0x2223).data('server', 2000, 0x1111, 2001).data('client', 0x2222);
    one
      .say('server', answer(0x2222, 2000))
      .say('server', message(14, u16(2000)))
      .say('server', message(15, u16(2000)));
    one
      .say('client', message(15, u16(0x2222)))
      .say('client', message(5))
      .say('server', message(6));
    one.say('client', clear(0x1111)).say('server', disconnected(0x2222)).data('client', 0x2222).data('server', 2000);
    const two = new Control(packets, '10.0.0.2', 3000).say('client', call(0x1111)).say('server', answer(0x2222, 3000));
    two.data('server', 3000).data('client', 0x2222).data('server', 3000, 0x1111).data('client', 0x2222);
    two.say('client', call(0x1112)).say('server', answer(0x2224, 3000)).data('client', 0x2224).data('server', 3000);
    two.reset().data('client', 0x2222, 0x2224).data('server', 3000);
    const [said] = await expectAgreement(rulesOf('pptp', PPTP, SNAT), packets);
    expect(said!.outcome.conntrack).toContain('srckey=0x1111 dstkey=0x2222');
  });

  it('refusals, other ids, calls again: what is not understood is not rewritten', async () => {
    const packets: Uint8Array[] = [];
    const turns: readonly (readonly [Side, string])[][] = [
      [
        ['client', call(5)],
        ['server', answer(9, 5)],
      ],
      [
        ['client', call(5)],
        ['server', answer(9, 4001, 2)],
        ['server', answer(9, 4001)],
      ],
      [
        ['client', call(5)],
        ['client', call(6)],
        ['server', answer(9, 4002)],
      ],
      [
        ['client', clear(5)],
        ['server', disconnected(9)],
        ['server', message(14, u16(7))],
      ],
      [
        ['client', message(3, [1])],
        ['client', call(5)],
        ['client', clear(5)],
      ],
      [
        ['client', message(200, u16(5))],
        ['server', message(200, u16(5))],
        ['server', call(5)],
        ['client', answer(9, 5)],
      ],
    ];
    for (const [i, said] of turns.entries()) {
      const control = new Control(packets, `10.0.0.${i + 1}`, 4000 + i);
      for (const [side, words] of said) control.say(side, words);
      control.data('client', 9).data('server', 4000 + i, 5, 6);
    }
    await expectAgreement(rulesOf('pptp', PPTP, SNAT), packets);
  });

  it('a call by the server: no id was given to the client before, or that of its last call', async () => {
    const packets: Uint8Array[] = [];
    for (const [i, before] of [false, true].entries()) {
      const control = new Control(packets, `10.0.0.${i + 1}`, 5000 + i);
      if (before) control.say('client', call(6)).say('server', answer(8, 5000 + i));
      control.say('server', incoming(9)).say('client', accept(5, 9)).say('server', connected(5));
      control
        .data('client', 9, 8)
        .data('server', 0, 5, 6, 5000 + i)
        .data('client', 9);
      control.say('server', disconnected(9)).data('server', 5).data('client', 9);
    }
    const last = new Control(packets, '10.0.0.3', 5003).say('server', incoming(9)).say('client', accept(5, 9, 2));
    last
      .say('server', incoming(9))
      .say('client', accept(5, 9))
      .say('server', connected(5))
      .data('server', 5, 0)
      .data('client', 9);
    await expectAgreement(rulesOf('pptp', PPTP, SNAT), packets);
  });

  it('a server behind DNAT', async () => {
    const packets: Uint8Array[] = [];
    const one = new Control(packets, '10.0.0.1', 2000, true).say('client', call(7)).say('server', answer(8, 2000));
    one.data('client', 8).data('server', 2000, 7).data('client', 8).say('server', disconnected(8)).data('client', 8);
    const two = new Control(packets, '10.0.0.2', 2001, true).say('client', call(7)).say('server', answer(8, 2001));
    two.data('server', 2001).data('client', 8).data('server', 2001);
    await expectAgreement(rulesOf('pptp', PPTP, DNAT), packets);
  });

  it('two clients whose data the server could not tell apart: keys are drawn, or taken in order', async () => {
    const packets: Uint8Array[] = [];
    for (const [client, port] of [
      ['10.0.0.1', 2000],
      ['10.0.0.2', 2001],
    ] as const) {
      const control = new Control(packets, client, port).say('server', incoming(9)).say('client', accept(5, 9));
      control.say('server', connected(5)).data('client', 9);
    }
    await expectAgreement(rulesOf('pptp', PPTP, SNAT), packets);
  });

  it('errors about data', async () => {
    const packets: Uint8Array[] = [];
    const one = new Control(packets, '10.0.0.1', 2000).say('client', call(7)).say('server', answer(8, 2000));
    one.data('client', 8).data('server', 2000);
    packets.push(icmp('10.1.0.254', OUTSIDE, 11, 0, join([0, 0, 0, 0], data(OUTSIDE, SERVER, 8))));
    packets.push(icmp('10.0.0.1', SERVER, 3, 2, join([0, 0, 0, 0], data(SERVER, '10.0.0.1', 7))));
    await expectAgreement(rulesOf('pptp', PPTP, SNAT), packets);
  });

  it(`random calls (seed ${SEED})`, { timeout: 120_000 }, async () => {
    const random = randomFrom(SEED);
    const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;
    for (const published of [false, true, false]) {
      const packets: Uint8Array[] = [];
      const controls = ['10.0.0.1', '10.0.0.2'].map((client, i) => ({
        control: new Control(packets, client, 6000 + i, published),
        port: 6000 + i,
      }));
      const id = (port: number): number => pick([1, 2, 0, port]);
      const moves: readonly ((one: (typeof controls)[number]) => unknown)[] = [
        ({ control, port }) => control.say('client', call(id(port))),
        ({ control, port }) => control.say('server', answer(pick([1, 2]), id(port))),
        ({ control, port }) => control.say('server', answer(pick([1, 2]), port)),
        ({ control }) => control.say('server', incoming(pick([1, 2]))),
        ({ control, port }) => control.say('client', accept(id(port), pick([1, 2]))),
        ({ control, port }) => control.say('server', connected(id(port))),
        ({ control, port }) => control.say('client', clear(id(port))),
        ({ control }) => control.say('server', disconnected(pick([1, 2]))),
        ({ control }) => control.data('client', pick([1, 2])),
        ({ control, port }) => control.data('server', id(port)),
        ({ control, port }) => control.data('client', pick([1, 2])).data('server', id(port)),
      ];
      controls[0]!.control.say('client', call(1)).say('server', answer(2, 6000)).data('client', 2);
      for (let i = 0; i < 120; i++) pick(moves)(pick(controls));
      await expectAgreement(rulesOf('pptp', PPTP, published ? DNAT : SNAT), packets);
    }
  });
});
