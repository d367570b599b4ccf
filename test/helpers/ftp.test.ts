/** FTP: conversations of our own, judged by the running kernel packet by packet. */
import { it } from 'vitest';
import { describeKernel } from '../kernel/machine.ts';
import { RST, SYN, tcp } from '../reference/build.ts';
import { randomFrom } from '../reference/flows.ts';
import { Conversation, call } from './conversation.ts';
import { expectAgreement, helperProbes } from './judge.ts';

const RULES = helperProbes('ftp', '-p tcp -m tcp --dport 21');
const SERVER = '10.1.0.2';
const CLIENT = '10.0.0.1';

/** A session that has begun: greeting and login are over, so that what follows is looked at. */
function session(client: string, server = `${SERVER} 21`): Conversation {
  const talk = new Conversation(client, server).open();
  return talk
    .say('server', '220 ready\r\n')
    .say('client', 'USER x\r\n')
    .say('server', '331 password\r\n')
    .say('client', 'PASS y\r\n');
}

/** One side says something, then both places are called from both sides: what was foreseen is RELATED. */
function after(side: 'client' | 'server', lines: readonly string[], ports: readonly number[], port: number): Uint8Array[] {
  const talk = session(`${CLIENT} ${port}`);
  for (const line of lines) talk.say(side, line);
  const calls = ports.flatMap((to) => [
    ...call(`${SERVER} 20`, `${CLIENT} ${to}`),
    ...call(`${CLIENT} ${to + 1}`, `${SERVER} ${to}`),
  ]);
  return [...talk.packets, ...calls];
}

/** Texts and the port they name, if any. */
const CLIENT_LINES: readonly (readonly [string, number])[] = [
  ['PORT 10,0,0,1,20,0\r\n', 5120],
  ['port 10,0,0,1,20,1\r\n', 5121],
  ['PORT  10,0,0,1,20,2\r\n', 5122],
  ['PORT 10,0,0,1,20,3\n', 5123],
  ['PORT 10,0,0,1,20,4 \r\n', 5124],
  ['PORT 10,0,0,9,20,5\r\n', 5125],
  ['PORT 10,0,0,1,20,6,7\r\n', 5126],
  ['PORT 10,0,0,1,20\r\n', 5127],
  ['PORT 10,0,0,1,276,8\r\n', 5128],
  ['PORT 9,256,0,1,20,9\r\n', 5129],
  ['PORT ,,,,,\r\n', 5130],
  ['PORT 10,0,0,1,0,0\r\n', 5131],
  ['PORTXX 10,0,0,1,20,12\r\n', 5132],
  ['PORT\r\n', 5133],
  ['PORT', 5134],
  ['PO', 5134],
  ['P', 5134],
  ['E', 5134],
  ['POST\r\n', 5134],
  ['XPORT 10,0,0,1,20,12\r\n', 5132],
  ['EPRT |1|10.0.0.1|5140|\r\n', 5140],
  ['EPRT !1!10.0.0.1!5141!\r\n', 5141],
  ['EPRT |1|10.0.0.1|5142\r\n', 5142],
  ['EPRT |2|10.0.0.1|5143|\r\n', 5143],
  ['EPRT |1|10.0.0.2|5144|\r\n', 5144],
  ['EPRT |1|10.0.0.1|70681|\r\n', 5145],
  ['EPRT |1|10.0.0.1|0|\r\n', 5146],
  ['EPRT |1|10.0.0.1|51x47|\r\n', 5147],
  ['EPRT 11111\r\n', 5148],
  ['EPRT |1', 5148],
  ['EPRT\r\n', 5148],
  ['EPRT |1|10.0.0.1.1|5149|\r\n', 5149],
  ['EPRT |1|10.0.0|5150|\r\n', 5150],
  ['EPRT  |1|10.0.0.1|5151|\r\n', 5151],
  ['EPRT |1|10..0.1|5152|\r\n', 5152],
  ['EPSV\r\n', 5153],
  ['NOOP\r\n', 5154],
  ['227 x (10,0,0,1,20,60)\r\n', 5180],
];

const SERVER_LINES: readonly (readonly [string, number])[] = [
  ['227 Entering Passive Mode (10,1,0,2,20,0)\r\n', 5120],
  ['227 Entering Passive Mode 10,1,0,2,20,1\r\n', 5121],
  ['227 =10,1,0,2,20,2\r\n', 5122],
  ['227 10,1,0,2,20,3', 5123],
  ['227 (10,1,0,9,20,4)\r\n', 5124],
  ['227 (10,1,0,2,20,5,6)\r\n', 5125],
  ['227 (10,1,0,2,20)\r\n', 5126],
  ['227 none\r\n', 5127],
  ['227-(10,1,0,2,20,8)\r\n', 5128],
  ['227', 5129],
  ['227 ', 5129],
  ['2', 5129],
  ['229 Entering Extended Passive Mode (|||5130|)\r\n', 5130],
  ['229 (!!!5131!)\r\n', 5131],
  ['229 |||5132|\r\n', 5132],
  ['229 (|||5133)\r\n', 5133],
  ['229 (||5134|)\r\n', 5134],
  ['229 (|||70671|)\r\n', 5135],
  ['229 (|||0|)\r\n', 5136],
  ['229 (1115137)\r\n', 5137],
  ['229 (|1|10.1.0.2|5138|)\r\n', 5138],
  ['229 (|||5139|', 5139],
  ['229 (', 5139],
  ['220 x\r\n', 5139],
  ['230 (|||5139|)\r\n', 5139],
];

const V6_LINES: readonly (readonly [string, number])[] = [
  ['EPRT |2|2001:db8::1|5120|\r\n', 5120],
  ['EPRT |2|2001:DB8:0:0:0:0:0:1|5121|\r\n', 5121],
  ['EPRT |2|2001:db8::0.0.0.1|5122|\r\n', 5122],
  ['EPRT |2|2001:db8:0:0:0:0:0.0.0.1|5123|\r\n', 5123],
  ['EPRT |2|2001:db8:0:0:0:0::1|5124|\r\n', 5124],
  ['EPRT |2|2001:db8:0:0:0:0:0::1|5125|\r\n', 5125],
  ['EPRT |2|02001:0db8::00001|5126|\r\n', 5126],
  ['EPRT |2|2001:db8:::1|5127|\r\n', 5127],
  ['EPRT |2|2001:db8::1::|5128|\r\n', 5128],
  ['EPRT |2|2001:db8::g|5129|\r\n', 5129],
  ['EPRT |2|2001:db8:1|5130|\r\n', 5130],
  ['EPRT |2|2001:db8::2|5131|\r\n', 5131],
  ['EPRT |1|2001:db8::1|5132|\r\n', 5132],
  ['EPRT |2|:2001:db8::1|5133|\r\n', 5133],
  ['EPRT |2|2001:db8::1:|5134|\r\n', 5134],
  ['EPRT |2|2001:db8::0.0.1|5135|\r\n', 5135],
  ['EPRT |2|2001:db8::0.0.0.256|5136|\r\n', 5136],
  ['EPRT |2|2001:db8::0.0.0.1:5137|5137|\r\n', 5137],
  ['EPRT |2|2001:db8:0:0:0:0:0:0:1|5138|\r\n', 5138],
  ['EPRT |2|2001:db8:0:0:0:0:0:0.0.0.1|5139|\r\n', 5139],
  ['EPRT |2||5140|\r\n', 5140],
  ['EPRT |2|2001:db8::1\0|5141|\r\n', 5141],
  ['EPRT |2|2001:db8::1\x005142|\r\n', 5142],
  ['EPRT |2|2001:db8:0:0:0:0:..1.|5143|\r\n', 5143],
  ['EPRT |2|12001:db8::1|5144|\r\n', 5144],
  ['EPRT |2|2001:db8::0.0..1|5145|\r\n', 5145],
  ['EPRT |2|2001:db8::0..0.1|5146|\r\n', 5146],
  ['EPRT |2|2001:db8:0:0:0:0:.0.0.1|5147|\r\n', 5147],
  ['EPRT |2|2001:db8::000.00.0.0001|5148|\r\n', 5148],
  ['EPRT |2|2001:db8::1:0.0.0.|5149|\r\n', 5149],
  ['EPRT |2|2001:db8::a.0.0.1|5150|\r\n', 5150],
  ['PORT 10,0,0,1,20,60\r\n', 5180],
  ['PORT 32,1,13,184,20,61\r\n', 5181],
];

describeKernel('ftp and the running kernel', () => {
  it('what a client may announce', async () => {
    const packets = CLIENT_LINES.flatMap(([line, port], i) => after('client', [line], [port], 2000 + i));
    await expectAgreement(RULES, packets);
  });

  it('what a server may announce', async () => {
    const packets = SERVER_LINES.flatMap(([line, port], i) => after('server', [line], [port], 2000 + i));
    await expectAgreement(RULES, packets);
  });

  it('over IPv6', async () => {
    const [client, server] = ['2001:db8::1', '2001:db8:1::2'];
    const packets = V6_LINES.flatMap(([line, port], i) => {
      const talk = session(`${client} ${2000 + i}`, `${server} 21`).say('client', line);
      return [...talk.packets, ...call(`${server} 20`, `${client} ${port}`)];
    });
    const answer = session(`${client} 3000`, `${server} 21`).say('server', '229 ok (|||6000|)\r\n');
    await expectAgreement(RULES, [...packets, ...answer.packets, ...call(`${client} 9`, `${server} 6000`)], 6);
  });

  it('lines over several segments, sent again, out of order, in the middle of a line', async () => {
    const port = (low: number): string => `PORT 10,0,0,1,20,${low}\r\n`;
    const calls = (...lows: number[]): Uint8Array[] => lows.flatMap((low) => call(`${SERVER} 20`, `${CLIENT} ${5120 + low}`));
    const talks = [
      session(`${CLIENT} 2001`).say('client', 'PORT 10,0,').say('client', '0,1,20,1\r\n'),
      session(`${CLIENT} 2002`).say('client', `NOOP\r\n${port(2)}`),
      session(`${CLIENT} 2003`).say('client', 'NOOP').say('client', '\r\n').say('client', port(3)),
      session(`${CLIENT} 2004`).say('client', port(4)).again().again(),
      session(`${CLIENT} 2005`).say('client', port(5), 100).say('client', port(5)),
      session(`${CLIENT} 2006`).say('client', 'X').say('client', port(6)).say('client', port(7)),
      session(`${CLIENT} 2008`)
        .say('client', 'a\r\n')
        .say('client', 'b\r\n')
        .say('client', port(8), -3)
        .say('client', port(9), -6),
      session(`${CLIENT} 2010`).say('server', '230 ok\r\n').say('server', '227 (10,1,0,2,20,10)\r\n').say('client', port(10)),
      new Conversation(`${CLIENT} 2011`, `${SERVER} 21`).open().say('client', port(11)).say('client', port(11)),
      new Conversation(`${CLIENT} 2012`, `${SERVER} 21`, 0xfffffff0).open().say('client', 'NOOP\r\n').say('client', port(12)),
      session(`${CLIENT} 2013`).say('client', port(13)).close(),
      session(`${CLIENT} 2014`).say('client', port(14)).send('client', RST),
    ];
    for (const [i, talk] of talks.entries()) if (i % 3 === 0) talk.packets.push(...calls(i + 1));
    await expectAgreement(RULES, [
      ...talks.flatMap(({ packets }) => packets),
      ...calls(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14),
    ]);
  });

  it('one at a time: the newest; one that another connection waits for drops the packet; used up by the first packet', async () => {
    const [one, two] = [session(`${CLIENT} 2001`), session(`${CLIENT} 2002`)];
    one.say('client', 'PORT 10,0,0,1,20,1\r\n').say('client', 'PORT 10,0,0,1,20,2\r\n');
    two.say('client', 'PORT 10,0,0,1,20,2\r\n').say('client', 'PORT 10,0,0,1,20,3\r\n');
    const broken = tcp(`${SERVER} 20`, `${CLIENT} 5122`, SYN, { badChecksum: true });
    const stray = tcp(`${SERVER} 20`, `${CLIENT} 5123`, RST, {});
    const calls = [1, 2, 3, 4].flatMap((low) => call(`${SERVER} 20`, `${CLIENT} ${5120 + low}`));
    const three = session(`${CLIENT} 2003`).say('client', 'PORT 10,0,0,1,20,4\r\n');
    await expectAgreement(RULES, [...one.packets, ...two.packets, broken, stray, ...three.packets, ...calls]);
  });

  it.each([1, 2, 3])('random conversations (seed %i)', async (seed) => {
    const random = randomFrom(seed);
    const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)]!;
    const talks = Array.from({ length: 40 }, (_, i) => {
      const talk = session(`${CLIENT} ${2000 + i}`);
      const calls: Uint8Array[] = [];
      for (let turn = 0; turn < 6; turn++) {
        const [side, lines] = random() < 0.5 ? (['client', CLIENT_LINES] as const) : (['server', SERVER_LINES] as const);
        const [line, port] = pick(lines);
        const cut = random() < 0.2 ? Math.ceil(random() * (line.length - 1)) : line.length;
        talk.say(side, line.slice(0, cut));
        if (random() < 0.3) talk.again();
        if (cut < line.length) talk.say(side, line.slice(cut));
        if (random() < 0.6) talk.packets.push(...call(`${SERVER} ${20 + i}`, `${CLIENT} ${port}`));
        if (random() < 0.6) talk.packets.push(...call(`${CLIENT} ${9000 + i}`, `${SERVER} ${port}`));
      }
      return [...talk.packets, ...calls];
    });
    await expectAgreement(RULES, talks.flat());
  });
});
