/** SIP in translated connections: headers, session descriptions, and the streams they announce. Compared with the running kernel: ways, counters, bytes, entries, expectations. */
import { expect, it } from 'vitest';
import type { Draw } from '../../src/extensions/extension.ts';
import { seededDraw } from '../../src/fuzz/draw.ts';
import { describeKernel } from '../kernel/machine.ts';
import { ACK, udp } from '../reference/build.ts';
import { SEED } from '../seed.ts';
import { ThroughNat } from './through-nat.ts';
import { expectAgreement, rulesOf } from './translation.ts';

const [PHONE, OTHER_PHONE, OUTSIDE, SERVER, PUBLIC] = ['10.0.0.1', '10.0.0.2', '203.0.113.9', '10.1.0.2', '198.51.100.80'];
const [PHONE6, SERVER6, OUTSIDE6] = ['2001:db8::1', '2001:db8:1::2', '2001:db8:0:cafe::9'];
const UDP = '-p udp -m udp --dport 5060';
const SNAT = [`POSTROUTING -s 10.0.0.0/24 -j SNAT --to-source ${OUTSIDE}`];
/** Another port, too. */
const SNAT_PORT = [`POSTROUTING -s 10.0.0.0/24 -p udp -m udp --dport 5060 -j SNAT --to-source ${OUTSIDE}:7000`, ...SNAT];
const DNAT = [`PREROUTING -d ${PUBLIC} -j DNAT --to-destination ${SERVER}`];

function message(first: string, headers: readonly string[], body = ''): string {
  return [first, ...headers, `Content-Length: ${body.length}`, '', body].join('\r\n');
}

function session(address: string, media: readonly string[], common = true): string {
  const kind = address.includes(':') ? 'IP6' : 'IP4';
  const connection = common ? [`c=IN ${kind} ${address}`] : [];
  return ['v=0', `o=x 1 1 IN ${kind} ${address}`, 's=-', ...connection, 't=0 0', ...media, ''].join('\r\n');
}

/** Headers of a request by `from`, in a dialogue with `to`. */
const headers = (from: string, to: string, more: readonly string[] = [], parameters = ';rport;branch=1'): string[] => [
  `Via: SIP/2.0/UDP ${from}${parameters}`,
  `From: <sip:bob@${from}>;tag=1`,
  `To: "x" <sip:alice@${to}>`,
  `Contact: <sip:bob@${from}>;expires=60`,
  ...more,
];

/** A phone says something, the server answers; each by what it sees. */
const says = (data: string, port = 5060, phone = PHONE, server = SERVER): Uint8Array =>
  udp(`${phone} ${port}`, `${server} 5060`, { data });
const answers = (data: string, port = 5060, phone = OUTSIDE, server = SERVER): Uint8Array =>
  udp(`${server} 5060`, `${phone} ${port}`, { data });
const stream = (from: string, to: string): Uint8Array => udp(from, to, { data: 'media' });

describeKernel('sip through translations', () => {
  it('a phone behind SNAT registers and is called', async () => {
    const own = `${PHONE}:5060`;
    const seen = `${OUTSIDE}:5060`;
    const server = `${SERVER}:5060`;
    const contact = (at: string): string[] => headers(at, server, [], `;rport=5060;received=${OUTSIDE};maddr=${PHONE}`);
    const packets = [
      says(message(`REGISTER sip:${server} SIP/2.0`, headers(own, server, ['CSeq: 1 REGISTER', 'Expires: 60']))),
      answers(message('SIP/2.0 100 Trying', [...contact(seen), 'CSeq: 1 REGISTER'])),
      answers(message('SIP/2.0 200 OK', [...contact(seen), 'CSeq: 1 REGISTER', 'Expires: 60'])),
      udp(`${SERVER} 5070`, `${OUTSIDE} 5060`, {
        data: message(`INVITE sip:bob@${seen} SIP/2.0`, [`Via: SIP/2.0/UDP ${SERVER}:5070`, 'CSeq: 1 INVITE']),
      }),
      udp(`${PHONE} 5060`, `${SERVER} 5070`, {
        data: message('SIP/2.0 200 OK', [`Via: SIP/2.0/UDP ${SERVER}:5070`, 'CSeq: 1 INVITE']),
      }),
      // Contacts elsewhere, in lists, in short form, with another port.
      says(
        message(`REGISTER sip:${server} SIP/2.0`, [
          `v: SIP/2.0/UDP ${own};maddr=${PHONE}`,
          `m: <sip:bob@${PHONE}:6000>, <sip:x@${own}>`,
          'CSeq: 2 REGISTER',
          'Expires: 60',
        ]),
      ),
      answers(
        message('SIP/2.0 200 OK', [
          `v: SIP/2.0/UDP ${seen};rport=5060`,
          `m: <sip:bob@${OUTSIDE}:6000>, <sip:x@${seen}>`,
          'CSeq: 2 REGISTER',
          'Expires: 60',
        ]),
      ),
      udp(`${SERVER} 5071`, `${OUTSIDE} 6000`, { data: 'call' }),
      udp(`${PHONE} 6000`, `${SERVER} 5071`, { data: 'answer' }),
    ];
    await expectAgreement(rulesOf('sip', UDP, SNAT), packets);
  });

  it('another port than the phone sends from', async () => {
    const own = `${PHONE}:5060`;
    const seen = `${OUTSIDE}:7000`;
    const server = `${SERVER}:5060`;
    const packets = [
      says(message(`REGISTER sip:${server} SIP/2.0`, headers(own, server, ['CSeq: 1 REGISTER', 'Expires: 60']))),
      answers(
        message('SIP/2.0 200 OK', headers(seen, server, ['CSeq: 1 REGISTER', 'Expires: 60'], `;rport=7000;received=${OUTSIDE}`)),
        7000,
      ),
      udp(`${SERVER} 5070`, `${OUTSIDE} 7000`, { data: 'call' }),
      udp(`${PHONE} 5060`, `${SERVER} 5070`, { data: 'answer' }),
    ];
    await expectAgreement(rulesOf('sip', UDP, SNAT_PORT), packets);
  });

  it('a phone that hears at another port than it sends from', async () => {
    const named = `${PHONE}:5060`;
    const server = `${SERVER}:5060`;
    const packets = [
      says(message(`REGISTER sip:${server} SIP/2.0`, headers(named, server, ['CSeq: 1 REGISTER', 'Expires: 60'])), 50_000),
      answers(message('SIP/2.0 200 OK', headers(`${OUTSIDE}:50000`, server, ['CSeq: 1 REGISTER', 'Expires: 60'])), 50_000),
      says(message(`OPTIONS sip:${server} SIP/2.0`, headers(`${PHONE}:50000`, server, ['CSeq: 2 OPTIONS'])), 50_000),
      answers(message('SIP/2.0 200 OK', headers(`${OUTSIDE}:50000`, server, ['CSeq: 2 OPTIONS'])), 50_000),
      udp(`${SERVER} 5070`, `${OUTSIDE} 50000`, { data: 'call' }),
      udp(`${SERVER} 5070`, `${OUTSIDE} 5060`, { data: 'call' }),
      udp(`${PHONE} 5060`, `${SERVER} 5070`, { data: 'answer' }),
    ];
    await expectAgreement(rulesOf('sip', UDP, SNAT), packets);
  });

  it('calls: streams both ways, several media, lengths that grow a digit, addresses of the session and of media', async () => {
    const server = `${SERVER}:5060`;
    const descriptions = [
      session(PHONE, ['m=audio 10000 RTP/AVP 0']),
      session(PHONE, [
        'm=audio 10011 RTP/AVP 0',
        'm=video 10020 RTP/AVP 31',
        `c=IN IP4 ${PHONE}`,
        'm=text 10030 x',
        'm=image 10040 udptl t38',
      ]),
      session(PHONE, ['m=audio 10050 RTP/AVP 0', `c=IN IP4 ${PHONE}`], false),
      session(PHONE, ['m=audio 0 RTP/AVP 0', 'm=audio 10060 RTP/AVP 0', 'm=audio 10060 RTP/AVP 8']),
      session('10.9.9.9', ['m=audio 10070 RTP/AVP 0']),
      session(PHONE, ['m=audio 10080 RTP/AVP 0']).replace(/o=.*\r\n/, ''),
      session(PHONE, ['m=audio 65535 RTP/AVP 0']),
      `${session(PHONE, ['m=audio 10090 RTP/AVP 0'])}a=${'x'.repeat(10)}\r\n`,
    ];
    const packets = descriptions.flatMap((body, i) => {
      const port = 5060 + i;
      const [own, seen] = [`${PHONE}:${port}`, `${OUTSIDE}:${port}`];
      const back = session(SERVER, [`m=audio ${20_000 + 10 * i} RTP/AVP 0`]);
      const at = 10_000 + 10 * i;
      return [
        says(message(`INVITE sip:alice@${server} SIP/2.0`, headers(own, server, [`CSeq: 1 INVITE`]), body), port),
        answers(message('SIP/2.0 183 Progress', headers(seen, server, ['CSeq: 1 INVITE']), back), port),
        stream(`${SERVER} ${20_000 + 10 * i}`, `${OUTSIDE} ${at}`),
        stream(`${PHONE} ${at}`, `${SERVER} ${20_000 + 10 * i}`),
        stream(`${SERVER} ${20_001 + 10 * i}`, `${OUTSIDE} ${at + 1}`),
        stream(`${PHONE} ${at + 2}`, `${SERVER} ${20_000 + 10 * i}`),
        stream(`${SERVER} 20004`, `${OUTSIDE} ${at + 10}`),
      ];
    });
    await expectAgreement(rulesOf('sip', UDP, SNAT), packets);
  });

  it('the phone speaks first, from the port it announced; a call ends', async () => {
    const server = `${SERVER}:5060`;
    const [own, seen] = [`${PHONE}:5060`, `${OUTSIDE}:5060`];
    const packets = [
      says(
        message(
          `INVITE sip:alice@${server} SIP/2.0`,
          headers(own, server, ['CSeq: 1 INVITE']),
          session(PHONE, ['m=audio 10000 RTP/AVP 0']),
        ),
      ),
      answers(message('SIP/2.0 200 OK', headers(seen, server, ['CSeq: 1 INVITE']), session(SERVER, ['m=audio 20000 RTP/AVP 0']))),
      stream(`${PHONE} 10000`, `${SERVER} 20000`),
      stream(`${SERVER} 20000`, `${OUTSIDE} 10000`),
      stream(`${SERVER} 20001`, `${OUTSIDE} 10001`),
      says(message(`BYE sip:alice@${server} SIP/2.0`, headers(own, server, ['CSeq: 2 BYE']))),
      stream(`${SERVER} 20005`, `${OUTSIDE} 10001`),
    ];
    await expectAgreement(rulesOf('sip', UDP, SNAT), packets);
  });

  it('two phones with the same ports; and a call of one to the other by the server', async () => {
    const server = `${SERVER}:5060`;
    const invite = (phone: string, port: number, media: number): Uint8Array =>
      says(
        message(
          `INVITE sip:alice@${server} SIP/2.0`,
          headers(`${phone}:${port}`, server, ['CSeq: 1 INVITE']),
          session(phone, [`m=audio ${media} RTP/AVP 0`]),
        ),
        port,
        phone,
      );
    const packets = [
      invite(PHONE, 5060, 10_000),
      invite(OTHER_PHONE, 5061, 10_000),
      stream(`${SERVER} 20000`, `${OUTSIDE} 10000`),
      stream(`${SERVER} 20000`, `${OUTSIDE} 10002`),
      stream(`${OTHER_PHONE} 10000`, `${SERVER} 20000`),
      // The server hands the first phone's description on to the second.
      answers(
        message(
          'SIP/2.0 200 OK',
          headers(`${OUTSIDE}:5061`, server, ['CSeq: 1 INVITE']),
          session(OUTSIDE, ['m=audio 10000 RTP/AVP 0']),
        ),
        5061,
      ),
      invite(PHONE, 5060, 10_100),
      udp(`${SERVER} 5060`, `${OUTSIDE} 5061`, {
        data: message(
          `INVITE sip:bob@${OUTSIDE}:5061 SIP/2.0`,
          headers(server, `${OUTSIDE}:5061`, ['CSeq: 7 INVITE']),
          session(SERVER, ['m=audio 10100 RTP/AVP 0']),
        ),
      }),
    ];
    await expectAgreement(rulesOf('sip', UDP, SNAT), packets);
  });

  it('a server behind DNAT, whose descriptions tell its own address', async () => {
    const [own, called, server] = [`${PHONE}:5060`, `${PUBLIC}:5060`, `${SERVER}:5060`];
    const packets = [
      says(
        message(
          `INVITE sip:alice@${called} SIP/2.0`,
          headers(own, called, ['CSeq: 1 INVITE']),
          session(PHONE, ['m=audio 10000 RTP/AVP 0']),
        ),
        5060,
        PHONE,
        PUBLIC,
      ),
      answers(
        message(
          'SIP/2.0 200 OK',
          [...headers(own, server, ['CSeq: 1 INVITE'], `;received=${PHONE}`), `Contact: <sip:alice@${server}>`],
          session(SERVER, ['m=audio 20000 RTP/AVP 0']),
        ),
        5060,
        PHONE,
      ),
      stream(`${PHONE} 10000`, `${PUBLIC} 20000`),
      stream(`${SERVER} 20000`, `${PHONE} 10000`),
      stream(`${PHONE} 10001`, `${PUBLIC} 20001`),
      stream(`${SERVER} 20002`, `${PHONE} 10001`),
    ];
    await expectAgreement(rulesOf('sip', UDP, DNAT), packets);
  });

  it('over TCP: several messages in a segment, one that is not whole, numbers afterwards', async () => {
    const [own, seen, server] = [`${PHONE}:2000`, `${OUTSIDE}:2000`, `${SERVER}:5060`];
    const over = (lines: string[]): string[] => lines.map((line) => line.replace('/UDP', '/TCP'));
    const invite = message(
      `INVITE sip:alice@${server} SIP/2.0`,
      over(headers(own, server, ['CSeq: 1 INVITE'])),
      session(PHONE, ['m=audio 10000 RTP/AVP 0']),
    );
    const register = message(`REGISTER sip:${server} SIP/2.0`, over(headers(own, server, ['CSeq: 2 REGISTER', 'Expires: 60'])));
    const talk = new ThroughNat(
      { own: `${PHONE} 2000`, other: `${SERVER} 5060` },
      { own: `${SERVER} 5060`, other: `${OUTSIDE} 2000` },
    ).open();
    const longer = OUTSIDE.length - PHONE.length;
    const ok = message(
      'SIP/2.0 200 OK',
      over(headers(seen, server, ['CSeq: 1 INVITE'])),
      session(SERVER, ['m=audio 20000 RTP/AVP 0']),
    );
    // Via, From, Contact, owner and connection; a length of three digits stays so.
    talk
      .say('client', invite, 5 * longer)
      .send('server', ACK)
      .say('server', ok, -3 * longer)
      .send('client', ACK);
    talk
      .say('client', `${register}${register}`, 6 * longer)
      .send('server', ACK)
      .say('client', 'x\r\n')
      .send('server', ACK);
    talk
      .say('client', `${register}${register.slice(0, -8)}`)
      .say('client', 'y\r\n')
      .send('server', ACK);
    const packets = [...talk.packets, stream(`${SERVER} 20000`, `${OUTSIDE} 10000`), stream(`${PHONE} 10000`, `${SERVER} 20000`)];
    await expectAgreement(rulesOf('sip', '-p tcp -m tcp --dport 5060', SNAT), packets);
  });

  it('over IPv6: brackets, and none', async () => {
    const nat = [`POSTROUTING -s ${PHONE6} -j SNAT --to-source ${OUTSIDE6}`];
    const [own, seen, server] = [`[${PHONE6}]:5060`, `[${OUTSIDE6}]:5060`, `[${SERVER6}]:5060`];
    const packets = [
      says(
        message(
          `INVITE sip:alice@${server} SIP/2.0`,
          headers(own, server, ['CSeq: 1 INVITE'], `;maddr=[${PHONE6}]`),
          session(PHONE6, ['m=audio 10000 RTP/AVP 0']),
        ),
        5060,
        PHONE6,
        SERVER6,
      ),
      answers(
        message(
          'SIP/2.0 200 OK',
          headers(seen, server, ['CSeq: 1 INVITE'], `;received=${OUTSIDE6}`),
          session(SERVER6, ['m=audio 20000 RTP/AVP 0']),
        ),
        5060,
        OUTSIDE6,
        SERVER6,
      ),
      stream(`${SERVER6} 20000`, `${OUTSIDE6} 10000`),
      stream(`${PHONE6} 10000`, `${SERVER6} 20000`),
    ];
    const [said] = await expectAgreement(rulesOf('sip', UDP, nat), packets, 6);
    expect(said!.outcome.conntrack).toContain(OUTSIDE6);
  });

  it(`random messages (seed ${SEED})`, { timeout: 120_000 }, async () => {
    let related = 0;
    for (const [i, nat] of [SNAT, SNAT_PORT, DNAT].entries()) {
      const packets = randomTalk(seededDraw(SEED + i), nat);
      const [said] = await expectAgreement(rulesOf('sip', UDP, nat), packets, 4, false);
      related += said!.outcome.counters.filter!.FORWARD!.rules[0]!.packets;
    }
    expect(related).toBeGreaterThan(0);
  });
});

/** Two phones with a server, each from its ports, so that the kernel draws none. */
function randomTalk(draw: Draw, nat: readonly string[]): Uint8Array[] {
  const called = nat === DNAT ? PUBLIC : SERVER;
  const seen = (phone: string, port: number): string =>
    nat === DNAT ? `${phone} ${port}` : `${OUTSIDE} ${nat === SNAT_PORT ? 7000 : port}`;
  const phones =
    nat === SNAT_PORT
      ? ([[PHONE, 5060, 10_000]] as const)
      : ([
          [PHONE, 5060, 10_000],
          [OTHER_PHONE, 5061, 12_000],
        ] as const);
  const place = (own: string): string =>
    draw.chance(0.6)
      ? own
      : `${draw.pick([PHONE, PHONE, OTHER_PHONE, OUTSIDE, SERVER, PUBLIC])}:${draw.pick([5060, 5060, 5061, 7000, 10_000])}`;
  const parameters = ['', ';rport=5060', `;received=${OUTSIDE}`, `;maddr=${PHONE}`, `;rport=7000;received=${PHONE}`];
  const lines = (own: string, sequence: string): string[] => [
    ...[
      `Via: SIP/2.0/UDP ${place(own)}${draw.pick(parameters)}`,
      `From: <sip:${place(own)}>`,
      `t: sip:x@${place(own)}`,
      `Contact: <sip:bob@${place(own)}>${draw.pick(['', `, <sip:x@${place(own)}>`])}`,
    ].filter(() => draw.chance(0.8)),
    `CSeq: ${sequence}`,
    'Expires: 60',
  ];
  const body = (own: string, base: number): string => {
    if (draw.chance(0.3)) return '';
    const port = (): number => base + draw.pick([0, 0, 1, 2, -base, 9 - base]);
    const media = Array.from(
      { length: draw.pick([1, 1, 2]) },
      () => `m=${draw.pick(['audio', 'video', 'image', 'text'])} ${port()} x`,
    );
    return session(draw.chance(0.85) ? own : OTHER_PHONE, media, draw.chance(0.7));
  };
  const request = (at: string, own: string, base: number): string => {
    const sequence = draw.pick([
      '1 INVITE',
      '1 INVITE',
      '1 INVITE',
      '1 REGISTER',
      '1 REGISTER',
      '2 UPDATE',
      '2 UPDATE',
      '1 ACK',
      '3 BYE',
    ]);
    return message(`${sequence.slice(2)} sip:x@${place(at)} SIP/2.0`, lines(at, sequence), body(own, base));
  };
  const answer = (at: string): string => {
    const sequence = draw.pick(['1 INVITE', '1 INVITE', '1 REGISTER', '2 UPDATE']);
    return message(`SIP/2.0 ${draw.pick([100, 200, 200, 200, 183, 403])} x`, lines(at, sequence), body(SERVER, 20_000));
  };
  const packets = phones.map(([phone, port]) => udp(`${phone} ${port}`, `${called} 5060`, { data: 'hello' }));
  for (let i = 0; i < 110; i++) {
    const [phone, port, base] = draw.pick<(typeof phones)[number]>(phones);
    const near = nat === DNAT ? phone : OUTSIDE;
    packets.push(
      draw.pick([
        () => udp(`${phone} ${port}`, `${called} 5060`, { data: request(`${phone}:${port}`, phone, base) }),
        () => udp(`${SERVER} 5060`, seen(phone, port), { data: answer(seen(phone, port).replace(' ', ':')) }),
        () => udp(`${SERVER} 5060`, seen(phone, port), { data: request(`${SERVER}:5060`, SERVER, 20_000) }),
        () => stream(`${SERVER} ${21_000 + i}`, `${near} ${base + draw.pick([0, 1, 2, 3])}`),
        () => stream(`${phone} ${base + draw.pick([0, 1])}`, `${called} ${20_000 + draw.pick([0, 1, 2])}`),
      ])(),
    );
  }
  return packets;
}
