/** H.323 in translated connections: places in messages, and what is expected there. Compared with the running kernel: ways, counters, bytes, entries, expectations. */
import { expect, it } from 'vitest';
import {
  acknowledgeChannel,
  admissionConfirm,
  admissionRequest,
  type CallMessage,
  type CallPart,
  callMessage,
  gatekeeperConfirm,
  gatekeeperRequest,
  infoResponse,
  locationConfirm,
  locationRequest,
  openChannel,
  type Place,
  registrationConfirm,
  registrationRequest,
  tpkt,
  unregistrationRequest,
} from '../../src/fuzz/h323.ts';
import { describeKernel } from '../kernel/machine.ts';
import { udp } from '../reference/build.ts';
import { randomFrom } from '../reference/flows.ts';
import { SEED } from '../seed.ts';
import { callThrough, ThroughNat } from './through-nat.ts';
import { expectAgreement, rulesOf } from './translation.ts';

const [PHONE, SECOND, OUTSIDE, SERVER, PUBLIC, ELSEWHERE] = [
  '10.0.0.1',
  '10.0.0.2',
  '203.0.113.9',
  '10.1.0.2',
  '198.51.100.80',
  '10.2.0.7',
];
const SNAT = [`POSTROUTING -s 10.0.0.0/24 -j SNAT --to-source ${OUTSIDE}`];
/** Another port, too. */
const SNAT_PORT = [`POSTROUTING -s 10.0.0.0/24 -p udp -m udp --dport 1719 -j SNAT --to-source ${OUTSIDE}:7000`, ...SNAT];
const DNAT = [`PREROUTING -d ${PUBLIC} -j DNAT --to-destination ${SERVER}`];
const RAS = '-p udp -m udp --dport 1719';
const CALLS = '-p tcp -m tcp --dport 1720';

const at = (address: string, port: number): Place => ({ address, port });
const text = (...messages: Uint8Array[]): string => messages.map((message) => String.fromCharCode(...tpkt(message))).join('');

/** The phone says something, the server answers; each by what it sees. */
const says = (data: Uint8Array, port = 1719, phone = PHONE, server = SERVER): Uint8Array =>
  udp(`${phone} ${port}`, `${server} 1719`, { data });
const answers = (data: Uint8Array, port = 1719, phone = OUTSIDE, server = SERVER): Uint8Array =>
  udp(`${server} 1719`, `${phone} ${port}`, { data });

/** A call from behind SNAT, or to a published server. */
const outward = (port: number, phone = PHONE): ThroughNat =>
  new ThroughNat(
    { own: `${phone} ${port}`, other: `${SERVER} 1720` },
    { own: `${SERVER} 1720`, other: `${OUTSIDE} ${port}` },
  ).open();
const inward = (port: number): ThroughNat =>
  new ThroughNat(
    { own: `${PHONE} ${port}`, other: `${PUBLIC} 1720` },
    { own: `${SERVER} 1720`, other: `${PHONE} ${port}` },
  ).open();

/** A connection to the phone from outside, and a stream. */
const inTo = (port: number, seen = port, phone = PHONE, from = SERVER, source = 4000): Uint8Array[] =>
  callThrough({ own: `${from} ${source}`, other: `${OUTSIDE} ${seen}` }, { own: `${phone} ${port}`, other: `${from} ${source}` });
const streamIn = (port: number, seen = port, phone = PHONE): Uint8Array[] => [
  udp(`${SERVER} 9000`, `${OUTSIDE} ${seen}`, { data: 'media' }),
  udp(`${phone} ${port}`, `${SERVER} 9000`, { data: 'media' }),
];

describeKernel('RAS through translations', () => {
  it('a phone behind SNAT registers, asks, and is called', async () => {
    const own = [at('127.0.0.1', 1720), at(PHONE, 1720)];
    const packets = [
      says(gatekeeperRequest(at(PHONE, 1719))),
      answers(gatekeeperConfirm(at(SERVER, 1719))),
      says(registrationRequest([at(PHONE, 1720)], 60)),
      answers(registrationConfirm([at(OUTSIDE, 1720)], 60)),
      ...inTo(1720),
      says(registrationRequest(own)),
      answers(registrationConfirm([at(SERVER, 1720), at(OUTSIDE, 1720)])),
      says(admissionRequest(at(SERVER, 1720), at(PHONE, 1720))),
      says(admissionRequest(at(PHONE, 1720), at(PHONE, 1721))),
      answers(admissionConfirm(at(OUTSIDE, 1720))),
      answers(admissionConfirm(at(OUTSIDE, 1721))),
      answers(admissionConfirm(at(ELSEWHERE, 1720))),
      says(locationRequest(at(PHONE, 1719))),
      answers(locationConfirm(at(ELSEWHERE, 1722), at(ELSEWHERE, 1719))),
      says(infoResponse(at(PHONE, 1719), [at(ELSEWHERE, 1), at(PHONE, 1720)])),
      says(infoResponse(at(PHONE, 1719), own)),
      says(infoResponse(at(PHONE, 1718), [at(PHONE, 1721)])),
      ...inTo(1720, 1720, PHONE, SERVER, 4001),
      says(unregistrationRequest(own)),
      says(unregistrationRequest(own)),
      ...inTo(1720, 1720, PHONE, SERVER, 4002),
    ];
    await expectAgreement(rulesOf('RAS', RAS, SNAT), packets);
  });

  it('two phones of one address outside, other ports', async () => {
    const packets = [
      says(registrationRequest([at(PHONE, 1720)])),
      says(registrationRequest([at(SECOND, 1730)]), 1800, SECOND),
      says(gatekeeperRequest(at(PHONE, 1719))),
      says(infoResponse(at(PHONE, 1719), [at(PHONE, 1720)])),
      ...inTo(1720),
      ...inTo(1730, 1730, SECOND),
    ];
    await expectAgreement(rulesOf('RAS', RAS, SNAT_PORT), packets);
  });

  it('a published gatekeeper', async () => {
    const packets = [
      says(gatekeeperRequest(at(PHONE, 1719)), 1719, PHONE, PUBLIC),
      answers(gatekeeperConfirm(at(SERVER, 1719)), 1719, PHONE),
      says(registrationRequest([at(PHONE, 1720)]), 1719, PHONE, PUBLIC),
      answers(registrationConfirm([at(SERVER, 1720)], 60), 1719, PHONE),
      answers(admissionConfirm(at(PHONE, 1720)), 1719, PHONE),
      answers(registrationRequest([at(SERVER, 1720)]), 1719, PHONE),
      ...callThrough({ own: `${PHONE} 4000`, other: `${PUBLIC} 1720` }, { own: `${SERVER} 1720`, other: `${PHONE} 4000` }),
      ...callThrough({ own: `${PUBLIC} 4000`, other: `${PHONE} 1720` }, { own: `${PHONE} 1720`, other: `${PUBLIC} 4000` }),
    ];
    await expectAgreement(rulesOf('RAS', RAS, DNAT), packets);
  });
});

describeKernel('calls through translations', () => {
  const PART: CallPart = {
    h245: at(PHONE, 5000),
    channels: [{ media: at(PHONE, 6000), control: at(PHONE, 6001) }, { stack: at(PHONE, 1503) }],
    control: [openChannel({ media: at(PHONE, 6011), back: { control: at(PHONE, 6020) } })],
  };

  it.each(['setup', 'proceeding', 'connect', 'alerting', 'facility', 'progress'] as const)(
    '%s by a phone behind SNAT',
    async (kind) => {
      const talk = outward(3000).say(
        'client',
        text(callMessage(kind, { ...PART, called: at(SERVER, 1720), caller: at(PHONE, 1720) })),
      );
      talk.say('client', text(callMessage(kind, PART), callMessage(kind, { h245: at(PHONE, 5001), called: at(ELSEWHERE, 9) })));
      const packets = [
        ...talk.packets,
        ...inTo(5000),
        ...streamIn(6000),
        ...streamIn(6001),
        ...streamIn(6010),
        ...inTo(1503),
        ...inTo(1503, 1503, PHONE, SERVER, 4001),
      ];
      await expectAgreement(rulesOf('Q.931', CALLS, SNAT), packets);
    },
  );

  it('H.245 of a phone behind SNAT; more streams than are remembered', async () => {
    const call = outward(3000).say('client', text(callMessage('setup', { h245: at(PHONE, 5000) })));
    const control = new ThroughNat(
      { own: `${SERVER} 4000`, other: `${OUTSIDE} 5000` },
      { own: `${PHONE} 5000`, other: `${SERVER} 4000` },
    ).open();
    const channels = [6000, 6011, 6020, 6000, 6030, 6041, 6050].map((port) => ({
      media: at(PHONE, port),
      control: at(PHONE, port | 1),
    }));
    for (const channel of channels) control.say('server', text(openChannel(channel)));
    control.say('server', text(...channels.map(acknowledgeChannel)));
    control.say('client', text(openChannel({ media: at(SERVER, 7000) }), acknowledgeChannel({ media: at(SERVER, 7010) })));
    control.say('server', text(openChannel({ stack: at(PHONE, 1503) }), openChannel({ media: at(PHONE, 1) })));
    const packets = [...call.packets, ...control.packets, ...streamIn(6000), ...streamIn(6010), ...streamIn(6031), ...inTo(1503)];
    packets.push(udp(`${PHONE} 9001`, `${SERVER} 7000`), udp(`${PHONE} 9001`, `${SERVER} 7011`));
    await expectAgreement(rulesOf('Q.931', CALLS, SNAT), packets);
  });

  it('two phones with the same ports', async () => {
    const first = outward(3000).say('client', text(callMessage('setup', { channels: [{ media: at(PHONE, 6000) }] })));
    const second = outward(3001, SECOND).say(
      'client',
      text(callMessage('setup', { channels: [{ media: at(SECOND, 6000) }, { media: at(SECOND, 6003) }] })),
    );
    const packets = [
      ...first.packets,
      ...second.packets,
      ...streamIn(6000),
      ...streamIn(6000, 6002, SECOND),
      ...streamIn(6002, 6004, SECOND),
    ];
    await expectAgreement(rulesOf('Q.931', CALLS, SNAT), packets);
  });

  it('a published server answers; calls are forwarded', async () => {
    const talk = inward(3000).say('client', text(callMessage('setup', { h245: at(PHONE, 5000), called: at(PUBLIC, 1720) })));
    talk.say('server', text(callMessage('connect', { h245: at(SERVER, 5001), channels: [{ media: at(SERVER, 6000) }] })));
    talk.say('server', text(callMessage('facility', { forwarded: at(ELSEWHERE, 1725) })));
    const behind = outward(3002).say('client', text(callMessage('facility', { forwarded: at(SECOND, 1726) })));
    const packets = [
      ...talk.packets,
      ...callThrough({ own: `${PHONE} 4000`, other: `${PUBLIC} 5001` }, { own: `${SERVER} 5001`, other: `${PHONE} 4000` }),
      ...callThrough({ own: `${PHONE} 4001`, other: `${PUBLIC} 1725` }, { own: `${ELSEWHERE} 1725`, other: `${PUBLIC} 4001` }),
      ...behind.packets,
      ...callThrough({ own: `${SERVER} 4002`, other: `${OUTSIDE} 1726` }, { own: `${SECOND} 1726`, other: `${SERVER} 4002` }),
    ];
    await expectAgreement(rulesOf('Q.931', CALLS, [...DNAT, ...SNAT]), packets);
  });

  it(`random calls (seed ${SEED})`, { timeout: 120_000 }, async () => {
    const random = randomFrom(SEED);
    const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;
    const kinds: readonly CallMessage[] = ['setup', 'connect', 'facility', 'progress', 'alerting'];
    // Where ports meet, the kernel draws lots.
    const place = (own: string, i: number): Place => {
      const address = random() < 0.85 ? own : pick([SERVER, OUTSIDE, ELSEWHERE]);
      return at(address, pick([0, 6000 + 20 * i, 6001 + 20 * i, 6010 + 20 * i]));
    };
    const packets: Uint8Array[] = [];
    for (let i = 0; i < 40; i++) {
      const inside = random() < 0.5;
      const talk = inside ? outward(3000 + i) : inward(3000 + i);
      for (let said = 0; said < 4; said++) {
        const side = pick(['client', 'server'] as const);
        const own = side === 'client' ? PHONE : SERVER;
        const channels = Array.from({ length: Math.floor(random() * 3) }, () =>
          pick([{ media: place(own, i) }, { control: place(own, i), media: place(own, i) }, { stack: place(own, i) }]),
        );
        talk.say(
          side,
          text(
            callMessage(pick(kinds), {
              ...(random() < 0.5 && { h245: place(own, i) }),
              ...(random() < 0.5 && { channels }),
              ...(random() < 0.3 && { called: place(own, i), caller: place(own, i) }),
              ...(random() < 0.2 && { forwarded: place(own, i) }),
              ...(random() < 0.3 && { control: channels.map(pick([openChannel, acknowledgeChannel])) }),
            }),
          ),
        );
      }
      packets.push(...talk.packets);
    }
    packets.push(...outward(2999).say('client', text(callMessage('setup', { h245: at(PHONE, 5100) }))).packets, ...inTo(5100));
    const [answer] = await expectAgreement(rulesOf('Q.931', CALLS, [...DNAT, ...SNAT]), packets);
    expect(answer!.outcome.expectations.length).toBeGreaterThan(10);
  });
});
