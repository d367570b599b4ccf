/** tftp, irc, sane and amanda: helpers that look for a word or two; judged by the running kernel packet by packet. */
import { it } from 'vitest';
import { describeKernel } from '../kernel/machine.ts';
import { icmp, join, udp } from '../reference/build.ts';
import { randomFrom } from '../reference/flows.ts';
import { Conversation, call } from './conversation.ts';
import { expectAgreement, helperProbes } from './judge.ts';

const [CLIENT, SERVER] = ['10.0.0.1', '10.1.0.2'];
const [CLIENT6, SERVER6] = ['2001:db8::1', '2001:db8:1::2'];
const word = (...bytes: number[]): string => String.fromCharCode(...bytes);

describeKernel('tftp and the running kernel', () => {
  const RULES = helperProbes('tftp', '-p udp -m udp --dport 69');
  const talk = (client: string, server: string, from: number): Uint8Array[] => {
    const [asks, answers] = [`${client} ${from}`, `${server} ${from + 1000}`];
    const first = ['\0\x01file\0octet\0', '\0\x02file\0octet\0', '\0\x03', '\0\x01', '\0', '\x01\0', '\0\x05error'][from % 7]!;
    const error = icmp(
      server,
      client,
      client.includes(':') ? 1 : 3,
      client.includes(':') ? 4 : 3,
      join([0, 0, 0, 0], udp(asks, `${server} 69`)),
    );
    return [
      udp(asks, `${server} 69`, { data: first }),
      udp(answers, asks, { data: '\0\x03\0\x01data' }),
      udp(asks, answers, { data: '\0\x04\0\x01' }),
      udp(`${server} ${from + 2000}`, asks, { data: '\0\x03\0\x01data' }),
      udp(asks, `${server} 69`, { data: '\0\x01again\0octet\0' }),
      udp(`${server} 69`, asks, { data: '\0\x01back\0octet\0' }),
      error,
      udp(`${server} ${from + 3000}`, asks, { data: '\0\x03\0\x01data', badChecksum: true }),
      udp(`${server} ${from + 3000}`, asks, { data: '\0\x03\0\x01data' }),
    ];
  };

  it.each([4, 6] as const)('requests, answers, again and backwards (IPv%i)', async (family) => {
    const [client, server] = family === 4 ? [CLIENT, SERVER] : [CLIENT6, SERVER6];
    await expectAgreement(RULES, Array.from({ length: 14 }, (_, i) => talk(client, server, 2002 + i)).flat(), family);
  });
});

describeKernel('irc and the running kernel', () => {
  const ADDRESS = 10 * 2 ** 24 + 1;
  const dcc = (rest: string): string => `PRIVMSG x :\x01DCC ${rest}\x01\r\n`;
  const LINES: readonly string[] = [
    dcc(`SEND file ${ADDRESS} 5120 12345`),
    dcc(`CHAT chat ${ADDRESS} 5120`),
    dcc(`MOVE chat ${ADDRESS} 5120`),
    dcc(`TSEND file ${ADDRESS} 5120 12345`),
    dcc(`SCHAT chat ${ADDRESS} 5120`),
    dcc(`SEND file ${ADDRESS}  5120 12345`),
    dcc(`SEND file ${ADDRESS + 1} 5120 12345`),
    dcc(`SEND file ${ADDRESS + 2 ** 32} 70656 1`),
    dcc(`SEND file ${ADDRESS} 0 12345`),
    dcc(`SEND file ${ADDRESS}x5120 12345`),
    dcc(`SEND  ${ADDRESS} 5120 12345`),
    dcc(`send file ${ADDRESS} 5120 12345`),
    dcc(`XSEND file ${ADDRESS} 5120 12345`),
    `PRIVMSG x :\x01DCC RESUME file :\x01DCC SEND file ${ADDRESS} 5120 12\x01\r\n`,
    `privmsg a-long-name-of-a-channel :\x01DCC CHAT chat ${ADDRESS} 5120\x01\n`,
    `\r\n  PRIVMSG x :\x01DCC CHAT chat ${ADDRESS} 5120\x01\n`,
    `NOTICE x :\x01DCC CHAT chat ${ADDRESS} 5120\x01\r\n`,
    `PRIVMSG x :hello\r\nPRIVMSG x :\x01DCC CHAT chat ${ADDRESS} 5120\x01\r\n`,
    `PRIVMSG x :\x01DCC CHAT chat ${ADDRESS} 5120\x01`,
    `PRIVMSG x :\x01DCC CHAT a-name-that-is-longer-than-what-follows 1 2\n`,
    'PRIVMSG x :\x01DCC SEND\r\n',
    `PRIVMSG x :\x01DCC CHAT chat ${ADDRESS}\n5120`,
    `${' '.repeat(4080)}PRIVMSG x :\x01DCC CHAT chat ${ADDRESS} 5120\x01\r\n`,
    ...[30, 31, 32, 33, 34, 35].map((length) =>
      `PRIVMSG x :\x01DCC CHAT c 1677721${'7'.repeat(9)} 512`.slice(0, length - 1).concat('\n'),
    ),
  ];

  it('what is said about where a client waits', async () => {
    const packets = LINES.flatMap((line, i) => {
      const talk = new Conversation(`${CLIENT} ${2000 + i}`, `${SERVER} 6667`)
        .open()
        .say('server', ':s NOTICE hi\r\n')
        .say('client', line);
      return [...talk.packets, ...call(`10.1.0.${9 + i} ${3000 + i}`, `${CLIENT} 5120`)];
    });
    await expectAgreement(helperProbes('irc', '-p tcp -m tcp --dport 6667'), packets);
  });

  it('eight at a time; the same for another client drops the packet', async () => {
    const talk = new Conversation(`${CLIENT} 2000`, `${SERVER} 6667`).open().say('server', 'x\r\n');
    for (let i = 0; i < 10; i++) talk.say('client', dcc(`CHAT chat ${ADDRESS} ${5000 + i}`));
    const other = new Conversation(`${CLIENT} 2001`, `${SERVER} 6667`).open().say('server', 'x\r\n');
    other.say('client', dcc(`CHAT chat ${ADDRESS} 5009`)).say('client', dcc(`CHAT chat ${ADDRESS} 5000`));
    const calls = Array.from({ length: 10 }, (_, i) => call(`10.1.0.${20 + i} 3000`, `${CLIENT} ${5000 + i}`)).flat();
    await expectAgreement(helperProbes('irc', '-p tcp -m tcp --dport 6667'), [...talk.packets, ...other.packets, ...calls]);
  });
});

describeKernel('sane and the running kernel', () => {
  const RULES = helperProbes('sane', '-p tcp -m tcp --dport 6566');
  const start = word(0, 0, 0, 7, 0, 0, 0, 0);
  const answer = (status: number, zero: number, port: number): string =>
    word(0, 0, 0, status, 0, zero, port >> 8, port & 255) + word(0, 0, 0x12, 0x34);
  const TALKS: readonly (readonly [string, string][])[] = [
    [[start, answer(0, 0, 5120)]],
    [[start, answer(1, 0, 5120)]],
    [[start, answer(0, 1, 5120)]],
    [[word(0, 0, 0, 6, 0, 0, 0, 0), answer(0, 0, 5120)]],
    [[`${start}x`, answer(0, 0, 5120)]],
    [[start.slice(0, 7), answer(0, 0, 5120)]],
    [
      [start, 'short'],
      ['', answer(0, 0, 5120)],
    ],
    [
      [start, answer(0, 0, 5121)],
      [start, answer(0, 0, 5120)],
    ],
    [
      [start, ''],
      [`${start}x`, answer(0, 0, 5120)],
    ],
  ];

  it.each([4, 6] as const)('starts and their answers (IPv%i)', async (family) => {
    const [client, server] = family === 4 ? [CLIENT, SERVER] : [CLIENT6, SERVER6];
    const packets = TALKS.flatMap((turns, i) => {
      const talk = new Conversation(`${client} ${2000 + i}`, `${server} 6566`).open();
      for (const [asked, answered] of turns) {
        if (asked !== '') talk.say('client', asked);
        if (answered !== '') talk.say('server', answered);
      }
      return [
        ...talk.packets,
        ...call(`${client} ${3000 + i}`, `${server} 5120`),
        ...call(`${client} ${4000 + i}`, `${server} 5121`),
      ];
    });
    await expectAgreement(RULES, packets, family);
  });
});

describeKernel('amanda and the running kernel', () => {
  const RULES = helperProbes('amanda', '-p udp -m udp --dport 10080');
  const LINES: readonly string[] = [
    'Amanda 2.4 REP\nCONNECT DATA 5120 MESG 5121 INDEX 5122\n',
    'CONNECT DATA 5120 MESG 5121 INDEX 5122 STATE 5123\n',
    'CONNECT STATE 5120\n',
    'CONNECT DATA 5120',
    'CONNECT \n',
    'CONNECT\nDATA 5120\n',
    'DATA 5121 CONNECT MESG 5120\n',
    'CONNECT DATA -1 MESG 5120\n',
    'CONNECT DATA 706560 MESG 5121\n',
    'CONNECT DATA 70656 MESG 5121\n',
    'CONNECT DATA 0 MESG 5120\n',
    'CONNECT DATA  5120 MESG 5121\n',
    'CONNECT MESG 5120 DATA 5121\n',
    'CONNECT DATA 5120 DATA 5121\n',
    'CONNECT INDEX5122 INDEX 5121\n',
    'CONNECT DATA 5120 MESG 5120\n',
    '',
    'connect DATA 5120\n',
    'CONNECCONNECT DATA 5120\n',
    'CONNECT DATA 51',
  ];

  it.each([4, 6] as const)('lists of ports (IPv%i)', async (family) => {
    const [client, server] = family === 4 ? [CLIENT, SERVER] : [CLIENT6, SERVER6];
    const packets = LINES.flatMap((line, i) => {
      const [asks, answers] = [`${client} ${700 + i}`, `${server} 10080`];
      const calls = [5120, 5121, 5122, 5123].flatMap((port) => call(`${client} ${3000 + i}`, `${server} ${port}`));
      return [
        udp(asks, answers, { data: line }),
        udp(answers, asks, { data: line }),
        udp(answers, asks, { data: line }),
        ...calls,
      ];
    });
    await expectAgreement(RULES, packets, family);
  });

  it('random answers (seed 5)', async () => {
    const random = randomFrom(5);
    const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;
    const packets = Array.from({ length: 60 }, (_, i) => {
      const [asks, answers] = [`${CLIENT} ${700 + i}`, `${SERVER} 10080`];
      const words = Array.from({ length: 8 }, () =>
        pick(['CONNECT ', 'DATA ', 'MESG ', 'INDEX ', 'STATE ', '5120 ', '5121', '\n', ' ']),
      );
      const calls = [5120, 5121].flatMap((port) => call(`${CLIENT} ${3000 + i}`, `${SERVER} ${port}`));
      return [udp(asks, answers), udp(answers, asks, { data: `CONNECT ${words.join('')}\n` }), ...calls];
    });
    await expectAgreement(RULES, packets.flat());
  });
});
