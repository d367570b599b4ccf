/** SIP: registrations and calls over UDP and TCP, judged by the running kernel packet by packet. */
import { it } from 'vitest';
import { describeKernel } from '../kernel/machine.ts';
import { udp } from '../reference/build.ts';
import { randomFrom } from '../reference/flows.ts';
import { SEED } from '../seed.ts';
import { Conversation } from './conversation.ts';
import { expectAgreement, helperProbes } from './judge.ts';

const RULES = helperProbes('sip', '-p udp -m udp --dport 5060');
const RULES_TCP = helperProbes('sip', '-p tcp -m tcp --dport 5060');
const [PHONE, SERVER, OTHER] = ['10.0.0.1', '10.1.0.2', '10.1.0.9'];
const [PHONE6, SERVER6] = ['2001:db8::1', '2001:db8:1::2'];

function message(first: string, headers: readonly string[], body = ''): string {
  return [first, ...headers, `Content-Length: ${body.length}`, '', body].join('\r\n');
}

const register = (contact: string, more: readonly string[] = ['Expires: 60'], cseq = '1 REGISTER'): string =>
  message('REGISTER sip:example.org SIP/2.0', [
    `Via: SIP/2.0/UDP ${PHONE}:5060`,
    `CSeq: ${cseq}`,
    `Contact: ${contact}`,
    ...more,
  ]);
const answer = (code: number, cseq: string, more: readonly string[] = [], body = ''): string =>
  message(`SIP/2.0 ${code} Whatever`, [`CSeq: ${cseq}`, ...more], body);
const request = (method: string, cseq: string, body = ''): string =>
  message(`${method} sip:bob@example.org SIP/2.0`, ['Call-ID: 1@x', `CSeq: ${cseq}`], body);

function session(address: string, media: readonly string[], own = true): string {
  const kind = address.includes(':') ? 'IP6' : 'IP4';
  const connection = own ? [`c=IN ${kind} ${address}`] : [];
  return ['v=0', `o=x 1 1 IN ${kind} ${address}`, 's=-', ...connection, 't=0 0', ...media, ''].join('\r\n');
}

/** The phone says something from its port, the server answers. */
const talk = (port: number, says: string, answers: readonly string[] = [], [phone, server] = [PHONE, SERVER]): Uint8Array[] => [
  udp(`${phone} ${port}`, `${server} 5060`, { data: says }),
  ...answers.map((data) => udp(`${server} 5060`, `${phone} ${port}`, { data })),
];
/** A stream to the phone. */
const stream = (port: number, from = SERVER, to = PHONE, source = 20_000 + (port & 7)): Uint8Array[] => [
  udp(`${from} ${source}`, `${to} ${port}`, { data: 'media' }),
  udp(`${to} ${port}`, `${from} ${source}`, { data: 'media' }),
];

/** Contacts of registrations, how they go on, and what the answer says. Each phone port has its own. */
const REGISTRATIONS: readonly (readonly [
  contact: (at: string) => string,
  more?: readonly string[],
  answer?: readonly string[],
])[] = [
  [(at) => `<sip:bob@${at}>`],
  [(at) => `<sip:${at}>;expires=30`, [], ['Expires: 30']],
  [(at) => `<sip:bob@${at};transport=udp>`],
  [(at) => `<sip:bob@${at};transport=tcp>`],
  [(at) => `<sip:bob@${at}>;expires=0`],
  [(at) => `<sip:bob@${at}>;expires=x`],
  [() => `<sip:bob@${OTHER}:6000>`],
  [() => '<sip:bob@example.org>'],
  [(at) => `<sip:bob@${at}>`, ['Expires: 99999999999999']],
  [(at) => `<sip:bob@${at}>`, ['expires :  60'], ['Contact: <sip:bob@nowhere>']],
  [(at) => `"Bob,\r\n Builder" <sip:bob@${at}>`, ['Expires:\r\n 60']],
  [(at) => `sip:bob@${at}`, []],
  [(at) => `<SIP:bob@${at.replace('10.0', '010.0')}>`],
  [(at) => `<sip:bob@${at.split(':')[0]}:99>`],
  [(at) => `<sip:bob@${at.split(':')[0]}:654321>`],
];

describeKernel('sip and the running kernel', () => {
  it('registrations: who may call, and from when on', async () => {
    const packets = REGISTRATIONS.flatMap(([contact, more, answered], i) => {
      const at = `${PHONE}:${6000 + i}`;
      const call = udp(`${SERVER} 5060`, `${PHONE} ${6000 + i}`, { data: request('INVITE', '1 INVITE') });
      const told = [`Contact: ${contact(at)}`, ...(answered ?? ['Expires: 60'])];
      const other = udp(`${OTHER} 5060`, `${PHONE} ${6000 + i}`, { data: request('INVITE', '1 INVITE') });
      return [
        ...talk(3000 + i, register(contact(at), more), [answer(100, '1 REGISTER'), answer(200, '2 REGISTER', told)]),
        ...talk(3000 + i, 'keep\r\n\r\n', [answer(200, '1 REGISTER', told)]),
        other,
        call,
      ];
    });
    await expectAgreement(RULES, packets);
  });

  it('registrations answered otherwise, again, and given up', async () => {
    const contact = (port: number): string => `<sip:bob@${PHONE}:${port}>`;
    const ok = (port: number, ...more: string[]): string =>
      answer(200, '1 REGISTER', [`Contact: ${contact(port)}`, 'Expires: 60', ...more]);
    const call = (port: number): Uint8Array[] => stream(port, `${SERVER}`);
    const packets = [
      ...talk(3000, register(contact(6000)), [ok(6000), answer(403, '1 REGISTER')]),
      ...call(6000),
      ...talk(3001, register(contact(6001)), [answer(200, '1 REGISTER', ['Expires: 60'])]),
      ...call(6001),
      ...talk(3002, register(contact(6002)), [ok(7000, `m: <sip:x@[::1]>, ${contact(6002)}`)]),
      ...call(6002),
      ...talk(3003, register(contact(6003)), [
        answer(200, '1 REGISTER', [`Contact: ${contact(7000)}, ${contact(6003)};expires=9`]),
      ]),
      ...call(6003),
      ...talk(3004, register(contact(6004)), [ok(6004)]),
      ...talk(3004, register(contact(6005), undefined, '2 REGISTER'), [
        ok(6004),
        answer(200, '2 REGISTER', [`Contact: ${contact(6005)};expires=9`]),
      ]),
      ...[6004, 6005].flatMap(call),
      ...talk(3005, register(contact(6006)), ['SIP/2.0 2', 'SIP/2.0 x00 what now\r\n', 'SIP/2.0 200 OK\r\n\r\n', ok(6006)]),
      ...call(6006),
    ];
    await expectAgreement(RULES, packets);
  });

  const MEDIA: readonly (readonly string[])[] = [
    ['m=audio 7000 RTP/AVP 0'],
    ['m=audio 7001 RTP/AVP 0'],
    ['m=video 7000 RTP/AVP 0', 'm=audio 7002 RTP/AVP 0'],
    ['m=image 7000 udptl t38', 'm=text 7002 x', 'm=audio 0 x', 'm=audio 7004 x', 'm=audio 7006 x', 'm=audio 7008 x'],
    ['m=audio 99 RTP/AVP 0'],
    ['m=audio 70000 RTP/AVP 0'],
    [`m=audio 7000 RTP/AVP 0`, `c=IN IP4 ${OTHER}`],
    ['m=audio', 'm=audio 7000 x'],
    ['M=audio 7000 x'],
    ['m=Audio 7000 x'],
    ['m=audio 7000 x', 'm=video 7000 x'],
  ];

  it('calls: what media are expected, of whom, and until when', async () => {
    const packets = MEDIA.flatMap((media, i) => {
      const phone = `10.0.0.${10 + i}`;
      const ends: [string, string] = [phone, SERVER];
      const streams = [7000, 7001, 7002, 7003, 7004, 7007].flatMap((port) => [
        ...stream(port, OTHER, phone),
        ...stream(port, SERVER, phone),
      ]);
      return [
        ...talk(
          5060,
          request('INVITE', '1 INVITE', session(phone, media)),
          [answer(100, '1 INVITE'), answer(183, '1 INVITE', [], session(SERVER, media))],
          ends,
        ),
        ...streams,
        ...stream(7000, phone, SERVER),
      ];
    });
    await expectAgreement(RULES, packets);
  });

  it('calls that are refused, end, go on, come by another connection', async () => {
    const audio = (port: number): string => session(PHONE, [`m=audio ${port} RTP/AVP 0`]);
    const packets = [
      ...talk(3000, request('INVITE', '7 INVITE', audio(7000)), [answer(486, '6 INVITE'), answer(486, '7 INVITE')]),
      ...stream(7000),
      ...talk(3001, request('INVITE', '7 INVITE', audio(7010)), [answer(486, '6 INVITE')]),
      ...stream(7010),
      ...talk(3002, request('INVITE', '7 INVITE', audio(7020))),
      ...talk(3002, request('BYE', '8 BYE')),
      ...stream(7020),
      ...talk(3003, request('UPDATE', '7 UPDATE', audio(7030)), [answer(500, '0 UPDATE')]),
      ...stream(7030),
      ...talk(3004, request('ACK', '7 ACK', audio(7040))),
      ...talk(3004, request('PRACK', '8 PRACK', audio(7042)), [answer(200, '8 PRACK')]),
      ...[7040, 7042].flatMap((port) => stream(port)),
      ...talk(3005, request('INVITE', '1 INVITE', audio(7050))),
      ...talk(3006, request('INVITE', '1 INVITE', audio(7050))),
      ...talk(3006, request('INVITE', '2 INVITE', session(PHONE, ['m=video 7050 x']))),
      ...stream(7050),
      ...talk(3007, request('INVITE', '1 INVITE', session(PHONE, ['m=audio 7060 x'], false))),
      ...talk(3008, request('INVITE', 'x INVITE', audio(7070))),
      ...talk(3009, request('OPTIONS', 'x', audio(7070))),
      ...talk(3010, request('INVITE', '1 INVITE', audio(7080)).slice(0, 40)),
      ...[7060, 7070, 7080].flatMap((port) => stream(port)),
    ];
    await expectAgreement(RULES, packets);
  });

  it('over TCP: several messages in a segment, and one in several', async () => {
    const one = request('INVITE', '1 INVITE', session(PHONE, ['m=audio 7000 RTP/AVP 0']));
    const two = request('UPDATE', '2 UPDATE', session(PHONE, ['m=audio 7010 RTP/AVP 0']));
    const open = (port: number): Conversation => new Conversation(`${PHONE} ${port}`, `${SERVER} 5060`).open();
    const three = request('INVITE', '1 INVITE', session(PHONE, ['m=audio 7020 RTP/AVP 0']));
    const talks = [
      open(3000)
        .say('client', one + two)
        .say('server', answer(200, '1 INVITE') + answer(100, '2 UPDATE')),
      open(3001).say('client', three.slice(0, 90)).say('client', three.slice(90)),
      open(3002).say('client', three.replace(/Content-Length: \d+/, 'l: 5')),
      open(3003)
        .say('client', three.replace(/Content-Length: \d+/, 'Content-Length: 9999'))
        .say('client', 'x\r\n\r\n'),
      open(3004)
        .say('client', register(`<sip:bob@${PHONE}:6000>`))
        .say('server', answer(200, '1 REGISTER', [`Contact: <sip:bob@${PHONE}:6000>;expires=60`])),
      new Conversation(`${SERVER} 4000`, `${PHONE} 6000`).open().say('client', three),
    ];
    const streams = [7000, 7010, 7020].flatMap((port) => stream(port));
    await expectAgreement(RULES_TCP, [...talks.flatMap(({ packets }) => packets), ...streams]);
  });

  it('over IPv6', async () => {
    const ends: [string, string] = [PHONE6, SERVER6];
    const packets = [`[${PHONE6}]:6000`, `[${PHONE6}]`, PHONE6, `[${PHONE6}x]:6001`].flatMap((at, i) => [
      ...talk(
        3000 + i,
        register(`<sip:bob@${at}>`),
        [answer(200, '1 REGISTER', [`Contact: <sip:bob@${at}>`, 'Expires: 60'])],
        ends,
      ),
      ...talk(3000 + i, request('INVITE', '2 INVITE', session(PHONE6, [`m=audio ${7000 + 2 * i} x`])), [], ends),
    ]);
    const streams = [6000, 5060, 7000, 7001, 7002].flatMap((port) => stream(port, SERVER6, PHONE6));
    await expectAgreement(RULES, [...packets, ...streams], 6);
  });

  it.each([SEED, SEED + 1])('random messages (seed %i)', async (seed) => {
    const random = randomFrom(seed);
    const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;
    const whole = [
      ...[7000, 7002, 7004].map((port) => request('INVITE', '1 INVITE', session(PHONE, [`m=audio ${port} x`]))),
      ...[6000, 6002].map((port) => register(`<sip:bob@${PHONE}:${port}>;expires=20`)),
      ...[6000, 6002].map((port) => answer(200, '1 REGISTER', [`Contact: <sip:bob@${PHONE}:${port}>`, 'Expires: 20'])),
      answer(200, '1 INVITE', [], session(PHONE, ['m=video 7006 x'])),
    ];
    const packets = Array.from({ length: 400 }, (_, i) => {
      let text = pick(whole);
      for (let spoilt = pick([0, 0, 1, 2]); spoilt > 0; spoilt--) {
        const at = Math.floor(random() * text.length);
        text =
          text.slice(0, at) +
          pick(['', '\r\n', '\n', ' ', ',', ';', ':', '\r', '\t', '0', 'x', '@']) +
          text.slice(at + pick([0, 1, 1, 3]));
      }
      const says =
        random() < 0.7
          ? [`${PHONE} ${pick([3000, 3001, 3002])}`, `${SERVER} 5060`]
          : [`${SERVER} 5060`, `${PHONE} ${pick([3000, 3001, 3002])}`];
      return random() < 0.75
        ? [udp(says[0]!, says[1]!, { data: text })]
        : // Each a connection of its own: those that began before they were expected are never expected.
          stream(pick([7000, 7001, 7002, 7004, 7006, 6000, 6002]), SERVER, PHONE, 20_000 + i);
    });
    await expectAgreement(RULES, packets.flat());
  });
});
