/** H.323: RAS, calls (Q.931) and channels (H.245), judged by the running kernel packet by packet, and by its lists. */
import { expect, it } from 'vitest';
import { H245_MESSAGE, H323_USER_INFORMATION, RAS_MESSAGE } from '../../src/abi/h323.ts';
import {
  acknowledgeChannel,
  admissionConfirm,
  admissionRequest,
  type CallMessage,
  type CallPart,
  type Channel,
  callMessage,
  determineMaster,
  gatekeeperConfirm,
  gatekeeperRequest,
  infoResponse,
  locationConfirm,
  locationRequest,
  openChannel,
  otherRas,
  type Place,
  registrationConfirm,
  registrationRequest,
  tpkt,
  unregistrationRequest,
} from '../../src/fuzz/h323.ts';
import { describeKernel } from '../kernel/machine.ts';
import { ACK, icmp, join, SYN, tcp, u16, udp } from '../reference/build.ts';
import { randomFrom } from '../reference/flows.ts';
import { SEED } from '../seed.ts';
import { Conversation, call, type Side } from './conversation.ts';
import { ROWS, Values } from './h323-values.ts';
import { expectAgreement, helperProbes } from './judge.ts';

const RAS = helperProbes('RAS', '-p udp -m udp --dport 1719');
const CALLS = helperProbes('Q.931', '-p tcp -m tcp --dport 1720');
const LISTS = { lists: true };

const ENDS = {
  4: { phone: '10.0.0.1', other: '10.1.0.9', keeper: '10.1.0.2' },
  6: { phone: '2001:db8::1', other: '2001:db8:1::9', keeper: '2001:db8:1::2' },
} as const;
const FAMILIES = [4, 6] as const;

const at = (address: string, port: number): Place => ({ address, port });
const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** A phone and its gatekeeper, from a port of the phone. */
function ras(family: 4 | 6, port: number) {
  const { phone, keeper } = ENDS[family];
  return {
    asks: (...messages: Uint8Array[]) => messages.map((data) => udp(`${phone} ${port}`, `${keeper} 1719`, { data })),
    answers: (...messages: Uint8Array[]) => messages.map((data) => udp(`${keeper} 1719`, `${phone} ${port}`, { data })),
  };
}

/** The first segment of a call, and its answer. */
const rings = (from: string, to: string, port: number, source = 4000): Uint8Array[] =>
  call(`${from} ${source}`, `${to} ${port}`).slice(0, 2);

/** A call: the phone calls the other, whose answers come back, and whatever else is sent in between. */
class Call {
  readonly packets: Uint8Array[] = [];
  readonly #talk: Conversation;

  constructor(from: string, to: string, source = 3000, port = 1720) {
    this.#talk = new Conversation(`${from} ${source}`, `${to} ${port}`).open();
    this.#take();
  }

  /** Packages in one segment. */
  say(side: Side, ...messages: Uint8Array[]): this {
    return this.raw(side, messages.map((message) => text(tpkt(message))).join(''));
  }

  raw(side: Side, data: string): this {
    this.#talk.say(side, data);
    return this.#take();
  }

  ack(side: Side): this {
    this.#talk.send(side, ACK);
    return this.#take();
  }

  amid(packets: readonly Uint8Array[]): this {
    this.packets.push(...packets);
    return this;
  }

  #take(): this {
    this.packets.push(...this.#talk.packets.splice(0));
    return this;
  }
}

/** A stream of the other side to a port of the phone, and back. */
const stream = (from: string, to: string, port: number): Uint8Array[] => [
  udp(`${from} 9000`, `${to} ${port}`, { data: 'media' }),
  udp(`${to} ${port}`, `${from} 9000`, { data: 'media' }),
];

/** Data of UDP that a reader of TCP takes for a package: a header of five words begins with that of UDP. */
const asSegment = (message: Uint8Array): Uint8Array => join([0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0], tpkt(message));

describeKernel('RAS and the running kernel', () => {
  it.each(FAMILIES)('registrations: who may call the phone, and where (IPv%i)', async (family) => {
    const { phone, keeper, other } = ENDS[family];
    const packets = [
      [at(phone, 1720)],
      [at(other, 1721), at(phone, 1721)],
      [at(phone, 0), at(phone, 1722)],
      [at(phone, 1723), at(phone, 1733)],
      [at(other, 1724)],
      [at(family === 4 ? ENDS[6].phone : ENDS[4].phone, 1725), at(phone, 1725)],
      [],
      Array.from({ length: 12 }, (_, i) => at(i === 10 ? phone : other, 1727)),
    ].flatMap((places, i) => {
      const { asks, answers } = ras(family, 2000 + i);
      const number = 1720 + i;
      return [
        ...asks(gatekeeperRequest(at(phone, 2000 + i))),
        ...answers(gatekeeperConfirm(at(keeper, 1719))),
        ...asks(registrationRequest(places)),
        ...rings(keeper, phone, number),
        ...answers(registrationConfirm([at(keeper, 1720)], 60)),
        ...rings(keeper, phone, number, 4001),
        ...rings(other, phone, number, 4002),
        ...asks(infoResponse(at(phone, 2000 + i), places)),
      ];
    });
    await expectAgreement(RAS, packets, family, LISTS);
  });

  it.each(FAMILIES)('admissions, locations, other gatekeepers, and the end of a registration (IPv%i)', async (family) => {
    const { phone, keeper, other } = ENDS[family];
    const { asks, answers } = ras(family, 2000);
    const second = ras(family, 2001);
    const packets = [
      ...asks(admissionRequest(at(other, 1720), at(phone, 1720)), admissionRequest(undefined, undefined)),
      ...answers(admissionConfirm(at(other, 1720))),
      ...rings(phone, other, 1720),
      ...rings(phone, other, 1720, 4001),
      ...answers(admissionConfirm(at(phone, 1725)), admissionConfirm(at(other, 0))),
      ...rings(keeper, phone, 1725),
      ...asks(locationRequest(at(phone, 2000))),
      ...answers(locationConfirm(at(other, 1730), at(other, 1719))),
      ...rings(phone, other, 1730),
      ...answers(gatekeeperConfirm(at(other, 1719))),
      udp(`${phone} 2000`, `${other} 1719`, { data: registrationRequest([at(phone, 1740)], 90) }),
      udp(`${other} 1719`, `${phone} 2000`, { data: gatekeeperConfirm(at(keeper, 1799)) }),
      ...rings(other, phone, 1740),
      ...asks(registrationRequest([at(phone, 1720)])),
      ...Array.from({ length: 32 }, (_, i) => asks(otherRas(i)))
        .flat()
        .filter((_, i) => ![0, 1, 3, 4, 6, 9, 10, 18, 19, 22].includes(i)),
      ...second.asks(registrationRequest([at(phone, 1720)])),
      ...asks(unregistrationRequest([at(phone, 1720)])),
      ...rings(keeper, phone, 1720),
      ...second.asks(registrationRequest([at(phone, 1720)])),
      ...rings(keeper, phone, 1720, 4001),
    ];
    await expectAgreement(RAS, packets, family, LISTS);
  });

  it('how long a registration lasts', async () => {
    const { phone, keeper } = ENDS[4];
    const lifetimes: readonly (readonly [number | undefined, number | undefined])[] = [
      [undefined, undefined],
      [60, undefined],
      [60, 120],
      [undefined, 256],
      [70_000, undefined],
      [0x1000001, 100],
    ];
    const packets = lifetimes.flatMap(([asked, told], i) => {
      const { asks, answers } = ras(4, 2000 + i);
      const registered = answers(registrationConfirm([at(keeper, 1720)], told));
      return [...asks(registrationRequest([at(phone, 1720 + i)], asked)), ...registered, ...rings(keeper, phone, 1720 + i)];
    });
    // So long that it is over at once, or nothing at all. What else is expected the kernel forgets when its collector comes by.
    for (const [i, lifetime] of [0xffffffff, 3_000_000_000, 0, 17_179_870].entries()) {
      const { asks, answers } = ras(4, 2100 + i);
      packets.push(...asks(gatekeeperRequest(at(phone, 1))), ...answers(registrationConfirm([], lifetime)));
    }
    const first = ras(4, 3000);
    packets.push(...first.answers(registrationConfirm([], 77)), ...ras(4, 3001).answers(registrationConfirm([])));
    packets.push(...ras(4, 3002).asks(unregistrationRequest([])), ...ras(4, 3003).asks(registrationConfirm([], 500)));
    await expectAgreement(RAS, packets, 4, LISTS);
  });

  it('what is expected cannot be told apart: the packet is dropped; ICMP errors are read as messages', async () => {
    const { phone, keeper, other } = ENDS[4];
    const { asks, answers } = ras(4, 2000);
    const quoted = asks(registrationRequest([at(phone, 1720)]))[0]!;
    const packets = [
      ...asks(registrationRequest([at(phone, 1720)])),
      ...answers(admissionConfirm(at(other, 1720))),
      ...ras(4, 2001).asks(registrationRequest([at(phone, 1720)])),
      ...ras(4, 2002).asks(gatekeeperRequest(at(phone, 2002))),
      ...ras(4, 2002).answers(admissionConfirm(at(other, 1720)), admissionConfirm(at(other, 1720))),
      icmp(keeper, phone, 3, 3, join([0, 0, 0, 0], quoted)),
      ...rings(keeper, phone, 1720),
    ];
    await expectAgreement(RAS, packets, 4, LISTS);
  });

  it.each(FAMILIES)(`messages cut and spoilt (IPv%i, seed ${SEED})`, { timeout: 120_000 }, async (family) => {
    const { phone, keeper, other } = ENDS[family];
    const random = randomFrom(SEED + family);
    const asked = [
      registrationRequest([at(other, 1720), at(phone, 1720)], 300),
      registrationRequest([at(phone, 1720)]),
      unregistrationRequest([at(phone, 1720)]),
    ];
    const answered = [
      gatekeeperConfirm(at(other, 1719)),
      registrationConfirm([at(keeper, 1720)], 600),
      admissionConfirm(at(other, 1720)),
      locationConfirm(at(other, 1720), at(other, 1719)),
    ];
    const spoilt = (message: Uint8Array): Uint8Array => {
      const bytes = message.slice();
      const times = 1 + Math.floor(random() * 3);
      for (let i = 0; i < times; i++) bytes[Math.floor(random() * Math.min(bytes.length, 40))]! ^= 1 << Math.floor(random() * 8);
      return random() < 0.1 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes;
    };
    const packets = [...ras(family, 900).asks(asked[1]!), ...rings(keeper, phone, 1720)];
    // Each alone in its connection, that all of what comes of it stays.
    let port = 1000;
    for (const message of asked) {
      for (let cut = 0; cut <= message.length; cut++) packets.push(...ras(family, port++).asks(message.subarray(0, cut)));
      for (let i = 0; i < 150; i++) packets.push(...ras(family, port++).asks(spoilt(message)));
    }
    for (const message of answered) {
      for (let cut = 0; cut <= message.length; cut++) {
        const { asks, answers } = ras(family, port++);
        packets.push(...asks(gatekeeperRequest(at(phone, 1))), ...answers(message.subarray(0, cut)));
      }
      for (let i = 0; i < 150; i++) {
        const { asks, answers } = ras(family, port++);
        packets.push(...asks(gatekeeperRequest(at(phone, 1))), ...answers(spoilt(message)));
      }
    }
    await expectAgreement(RAS, packets, family, LISTS);
  });
});

const KINDS: readonly CallMessage[] = [
  'setup',
  'proceeding',
  'connect',
  'alerting',
  'information',
  'release',
  'facility',
  'progress',
];

describeKernel('calls and the running kernel', () => {
  it.each(FAMILIES)(
    'every message: H.245 and channels at once, of both sides, in what it says or tunnelled (IPv%i)',
    async (family) => {
      const { phone, other } = ENDS[family];
      const packets = KINDS.flatMap((kind, i) => {
        const own: CallPart = {
          h245: at(phone, 5000 + i),
          channels: [
            { media: at(phone, 6000 + 10 * i), control: at(phone, 6001 + 10 * i) },
            { control: at(phone, 6005 + 10 * i) },
          ],
          control: [determineMaster(), openChannel({ media: at(phone, 7000 + 10 * i) })],
        };
        const others: CallPart = { h245: at(phone, 5500 + i), channels: [{ media: at(phone, 6600 + i) }] };
        return [
          ...new Call(phone, other, 3000 + i)
            .say('client', callMessage(kind, own))
            .amid(stream(other, phone, 6000 + 10 * i))
            .amid(stream(other, phone, 6001 + 10 * i))
            .amid(stream(other, phone, 6005 + 10 * i))
            .amid(stream(other, phone, 7001 + 10 * i))
            .amid(rings(other, phone, 5000 + i))
            .amid(rings(other, phone, 5000 + i, 4001))
            // The phone's places, said by the other side, are not believed.
            .say('server', callMessage(kind, others), callMessage(kind, { h245: at(other, 5600 + i) }))
            .amid(rings(phone, other, 5600 + i))
            .amid(rings(other, phone, 5500 + i)).packets,
        ];
      });
      await expectAgreement(CALLS, packets, family, LISTS);
    },
  );

  it.each(FAMILIES)('channels in a connection of their own (IPv%i)', async (family) => {
    const { phone, other } = ENDS[family];
    const channels: readonly Channel[] = [
      { media: at(phone, 6000), control: at(phone, 6001) },
      { media: at(phone, 6011) },
      { control: at(phone, 6020), back: { media: at(phone, 6030), control: at(phone, 6031) } },
      { media: at(phone, 0) },
      { media: at(other, 6040) },
      { stack: at(phone, 1503) },
      { media: at(phone, 1), back: { control: at(phone, 65535) } },
      {},
    ];
    const answers = channels.map(
      (channel) => JSON.parse(JSON.stringify(channel).replaceAll(`"${phone}"`, `"${other}"`)) as Channel,
    );
    const setup = new Call(phone, other).say('client', callMessage('setup', { h245: at(phone, 5000) }));
    const own = new Call(other, phone, 4000, 5000);
    own.say('server', determineMaster()).say('client', determineMaster());
    for (const [i, channel] of channels.entries())
      own.say('server', openChannel(channel)).say('client', acknowledgeChannel(answers[i]!));
    own.say('client', ...channels.map((channel) => openChannel(channel))).say('server', ...channels.map(acknowledgeChannel));
    const streams = [6000, 6001, 6010, 6011, 6020, 6021, 6030, 6031, 6040, 0, 1, 65534].flatMap((port) => [
      ...stream(other, phone, port),
      ...stream(phone, other, port),
    ]);
    const stacks = [...rings(other, phone, 1503), ...rings(phone, other, 1503), ...rings(other, phone, 1503, 4001)];
    await expectAgreement(CALLS, [...setup.packets, ...own.packets, ...streams, ...stacks], family, LISTS);
  });

  it('packages: several in a segment, cut, a header alone, and what is none', async () => {
    const { phone, other } = ENDS[4];
    const said = (port: number): Uint8Array => callMessage('setup', { h245: at(phone, port) });
    const one = (port: number): string => text(tpkt(said(port)));
    const turns: readonly (readonly string[])[] = [
      [one(5000) + one(5001)],
      [one(5010).slice(0, 4), one(5010).slice(4)],
      [one(5020).slice(0, 4), one(5020).slice(4) + one(5021)],
      [one(5030).slice(0, 3), one(5030).slice(3)],
      [one(5040).slice(0, -1)],
      [`${one(5050)}x`],
      [one(5060).slice(0, 4), one(5060).slice(4, -1)],
      [`${one(5070)}\x03\0`, one(5071)],
      [one(5080) + one(5081).slice(0, 4), one(5081).slice(4)],
      [`\x04\0${one(5090).slice(2)}`],
      [`\x03\x01${one(5100).slice(2)}`],
      ['\x03\0\0\x03', one(5110)],
      ['\x03\0\0\x04', one(5120)],
      [`\x03\0\0\x04${one(5130)}`],
      [one(5140).slice(0, 4), '', one(5140).slice(4)],
      [`${one(5150)}\x03\0\0\x04${one(5151)}`],
      [one(5160).slice(0, 4), one(5161)],
      [one(5170).slice(0, 4), one(5170).slice(4, 8), one(5170).slice(8)],
      [one(5180) + text(tpkt(said(5181).slice(0, 20))) + one(5182)],
    ];
    const packets = turns.flatMap((turn, i) => {
      const talk = new Call(phone, other, 3000 + i);
      for (const data of turn) {
        if (data === '') talk.ack('client');
        else talk.raw('client', data);
      }
      return [...talk.packets, ...rings(other, phone, 5000 + 10 * i), ...rings(other, phone, 5001 + 10 * i)];
    });
    await expectAgreement(CALLS, packets, 4, LISTS);
  });

  it.each(FAMILIES)(
    'calls that are forwarded, more than there is room for, and what is expected already (IPv%i)',
    async (family) => {
      const { phone, other, keeper } = ENDS[family];
      const many = (from: number): Channel[] => Array.from({ length: 12 }, (_, i) => ({ media: at(phone, from + 2 * i) }));
      const packets = [
        ...new Call(phone, other, 3000)
          .say('server', callMessage('facility', { forwarded: at(keeper, 1725), h245: at(other, 5000), channels: many(6000) }))
          .amid(rings(phone, keeper, 1725)).packets,
        ...new Call(phone, other, 3001)
          .say('server', callMessage('facility', { forwarded: at(phone, 1726) }))
          .say('server', callMessage('facility', { forwarded: at(other, 1727) }))
          .say('server', callMessage('facility', { forwarded: at(other, 0) }))
          .amid(rings(phone, phone === '10.0.0.1' ? '10.0.0.1' : phone, 1726))
          .amid(rings(phone, other, 1727)).packets,
        ...new Call(phone, other, 3002)
          .say('client', callMessage('setup', { channels: many(6100) }))
          .amid(stream(other, phone, 6122)).packets,
        ...new Call(phone, other, 3003)
          .say('client', callMessage('setup', { channels: [{ media: at(phone, 6101) }] }))
          .say(
            'client',
            callMessage('setup', { channels: [{ media: at(phone, 6123) }], control: [openChannel({ media: at(phone, 6300) })] }),
          )
          .amid(stream(other, phone, 6300)).packets,
        ...new Call(phone, other, 3004).say(
          'client',
          callMessage('setup', { control: Array.from({ length: 6 }, (_, i) => openChannel({ media: at(phone, 6400 + 2 * i) })) }),
        ).packets,
        ...new Call(phone, other, 3005).say(
          'client',
          callMessage('connect', {
            channels: Array.from({ length: 33 }, (_, i) => ({ media: at(phone, i < 28 ? 6500 : 6500 + 2 * i) })),
          }),
        ).packets,
      ];
      await expectAgreement(CALLS, packets, family, LISTS);
    },
  );

  it(`messages cut and spoilt (seed ${SEED})`, { timeout: 240_000 }, async () => {
    const { phone, other } = ENDS[4];
    const random = randomFrom(SEED);
    const part = (port: number): CallPart => ({
      h245: at(phone, port),
      channels: [{ media: at(phone, port), back: { control: at(phone, port) } }, { stack: at(phone, port + 1) }],
      control: [
        acknowledgeChannel({ media: at(phone, port + 2), stack: at(phone, port + 3), back: { media: at(phone, port + 4) } }),
      ],
    });
    const packets: Uint8Array[] = [];
    let port = 1000;
    const say = (message: Uint8Array): void => {
      packets.push(...new Call(phone, other, port++).say('client', message).packets);
    };
    say(callMessage('setup', part(10_000)));
    for (const kind of KINDS) {
      const whole = (): Uint8Array => callMessage(kind, part(10_000 + 10 * (port - 1000)));
      for (let cut = 0; cut <= whole().length; cut += kind === 'setup' ? 1 : 5) say(whole().subarray(0, cut));
      for (let i = 0; i < 60; i++) {
        const bytes = whole();
        for (let j = 0; j < 1 + (i % 3); j++) bytes[Math.floor(random() * bytes.length)]! ^= 1 << Math.floor(random() * 8);
        say(bytes);
      }
    }
    packets.push(...stream(other, phone, 10_000));
    await expectAgreement(CALLS, packets, 4, LISTS);
    expect(packets.length).toBeGreaterThan(3000);
  });

  it('H.245 by a rule is read in datagrams, as if they were segments', async () => {
    const { phone, other } = ENDS[4];
    const rules = helperProbes('H.245', '-p udp -m udp --dport 1503');
    const data = asSegment(openChannel({ media: at(phone, 6000) }));
    const packets = [
      udp(`${phone} 3000`, `${other} 1503`, { data }),
      udp(`${other} 1503`, `${phone} 3000`, { data: 'x' }),
      udp(`${phone} 3000`, `${other} 1503`, { data }),
      ...stream(other, phone, 6000),
      tcp(`${phone} 1`, `${other} 1503`, SYN),
    ];
    await expectAgreement(rules, packets, 4, LISTS);
  });
});

describeKernel('the types of H.323 and the running kernel', () => {
  const written = new Map<number, number>();

  it.each(FAMILIES)(`random values (IPv%i, seed ${SEED})`, { timeout: 240_000 }, async (family) => {
    const { phone, other, keeper } = ENDS[family];
    const values = new Values(randomFrom(SEED + family), [ENDS[4].phone, ENDS[6].phone], written);
    const datagrams = Array.from({ length: 1000 }, (_, i) => {
      const { asks, answers } = ras(family, 1000 + i);
      const data = values.value(RAS_MESSAGE);
      return i % 2 === 0 ? asks(data) : [...asks(gatekeeperRequest(at(phone, 1))), ...answers(data)];
    });
    await expectAgreement(
      RAS,
      [...ras(family, 900).asks(registrationRequest([at(phone, 1720)])), ...rings(keeper, phone, 1720), ...datagrams.flat()],
      family,
      LISTS,
    );
    const calls = Array.from({ length: 500 }, (_, i) => {
      const information = values.value(H323_USER_INFORMATION);
      const head = [8, 2, 0, 1, 5, 0x7e, ...u16(information.length + 1), 5];
      return new Call(phone, other, 1000 + i).say('client', join(head, information)).packets;
    });
    const first = new Call(phone, other, 900).say('client', callMessage('setup', { h245: at(phone, 1) })).packets;
    await expectAgreement(CALLS, [...first, ...rings(other, phone, 1), ...calls.flat()], family, LISTS);
    const inDatagrams = (port: number, message: Uint8Array): Uint8Array[] => {
      const [client, server] = [`${phone} ${port}`, `${other} 1503`];
      return [
        udp(client, server, { data: 'x' }),
        udp(server, client, { data: 'x' }),
        udp(client, server, { data: asSegment(message) }),
      ];
    };
    const channels = Array.from({ length: 500 }, (_, i) => inDatagrams(1000 + i, values.value(H245_MESSAGE)));
    const opened = [...inDatagrams(900, openChannel({ media: at(phone, 2) })), ...stream(other, phone, 2)];
    await expectAgreement(helperProbes('H.245', '-p udp -m udp --dport 1503'), [...opened, ...channels.flat()], family, LISTS);
  });

  it('are all met', () => {
    const unwritten = [...ROWS.keys()].filter((type) => !written.has(type));
    expect(unwritten).toEqual([]);
  });
});
