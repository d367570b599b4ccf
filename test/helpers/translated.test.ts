/** Helpers of connections whose addresses are translated: what is said is rewritten, what is expected is translated like its master. Compared with the running kernel: ways, counters, bytes, entries. */
import { expect, it } from 'vitest';
import { describeKernel } from '../kernel/machine.ts';
import { ACK, icmp, join, PSH, udp } from '../reference/build.ts';
import { callThrough, ThroughNat, type View } from './through-nat.ts';
import { expectAgreement, rulesOf } from './translation.ts';

const [CLIENT, OUTSIDE, SERVER, PUBLIC] = ['10.0.0.1', '203.0.113.9', '10.1.0.2', '198.51.100.80'];
const [CLIENT6, OUTSIDE6, SERVER6] = ['fd00::1', '2001:db8:0:cafe::9', '2001:db8:1::2'];
/** Options of a SYN that allow selective acknowledgements. */
const SACK_PERMITTED = [1, 1, 4, 2];

/** The client's source is translated. */
const behind = (port: number, service: number): [View, View] => [
  { own: `${CLIENT} ${port}`, other: `${SERVER} ${service}` },
  { own: `${SERVER} ${service}`, other: `${OUTSIDE} ${port}` },
];
/** The server's address is translated. */
const published = (port: number, service: number): [View, View] => [
  { own: `${CLIENT} ${port}`, other: `${PUBLIC} ${service}` },
  { own: `${SERVER} ${service}`, other: `${CLIENT} ${port}` },
];
const SNAT = [`POSTROUTING -s ${CLIENT} -j SNAT --to-source ${OUTSIDE}`];
const DNAT = [`PREROUTING -d ${PUBLIC} -j DNAT --to-destination ${SERVER}`];

const login = (talk: ThroughNat): ThroughNat =>
  talk
    .open(SACK_PERMITTED)
    .say('server', '220 ready\r\n')
    .say('client', 'USER x\r\n')
    .say('server', '331 go on\r\n')
    .say('client', 'PASS y\r\n');

describeKernel('helpers of translated connections', () => {
  const FTP = '-p tcp -m tcp --dport 21';
  const grown = OUTSIDE.length - CLIENT.length;

  it('ftp: PORT and EPRT of a client behind SNAT, sequence numbers afterwards, selective acknowledgements', async () => {
    const talk = login(new ThroughNat(...behind(2000, 21)));
    talk.say('client', 'PORT 10,0,0,1,20,0\r\n', grown).say('server', '200 ok\r\n');
    talk.send('client', PSH | ACK, 'PORT 10,0,0,1,20,0\r\n', 0, [], { back: 20 });
    talk.send('server', ACK).send('server', ACK, '', 0, [], { short: 1 }).send('server', ACK, '', 0, [], { short: 24 });
    const active = callThrough(
      { own: `${SERVER} 20`, other: `${OUTSIDE} 5120` },
      { own: `${CLIENT} 5120`, other: `${SERVER} 20` },
    );
    talk.packets.push(...active);
    talk.say('client', 'RETR file\r\n').selective('server', 8, 0).selective('server', 30, 20).say('server', '150 here\r\n');
    talk.say('client', 'EPRT |1|10.0.0.1|5121|\r\n', grown).say('server', '200 ok\r\n').say('client', 'NOOP\r\n');
    talk.selective('server', 40, 10).send('server', ACK, '', 0, [1, 1, 5, 10, 0, 0]).send('server', ACK, '', 0, [5, 1, 0, 0]);
    const again = callThrough(
      { own: `${SERVER} 20`, other: `${OUTSIDE} 5121` },
      { own: `${CLIENT} 5121`, other: `${SERVER} 20` },
    );
    const [answer] = await expectAgreement(rulesOf('ftp', FTP, SNAT), [...talk.packets, ...again]);
    expect(answer!.outcome.conntrack).toContain(`dst=${OUTSIDE} sport=20 dport=5120`);
  });

  it('ftp: PASV and EPSV of a server behind DNAT', async () => {
    const talk = login(new ThroughNat(...published(2000, 21)));
    const [long, short] = ['198,51,100,80', '10,1,0,2'];
    talk.say('client', 'PASV\r\n').say('server', '227 Entering Passive Mode (10,1,0,2,20,0).\r\n', long.length - short.length);
    talk.send('client', ACK).say('client', 'RETR file\r\n').say('server', '150 here\r\n').send('client', ACK);
    talk
      .say('server', '229 Entering Extended Passive Mode (|||05121|)\r\n', -1)
      .send('client', ACK)
      .say('server', '226 done\r\n');
    const call = (port: number): Uint8Array[] =>
      callThrough({ own: `${CLIENT} 3000`, other: `${PUBLIC} ${port}` }, { own: `${SERVER} ${port}`, other: `${CLIENT} 3000` });
    await expectAgreement(rulesOf('ftp', FTP, DNAT), [...talk.packets, ...call(5120), ...call(5121)]);
  });

  it('ftp: a data connection whose master is not translated asks the rules', async () => {
    const talk = login(
      new ThroughNat({ own: `${CLIENT} 2000`, other: `${SERVER} 21` }, { own: `${SERVER} 21`, other: `${CLIENT} 2000` }),
    );
    talk.say('client', 'PASV\r\n').say('server', '227 (10,1,0,2,20,0)\r\n');
    const call = callThrough(
      { own: `${CLIENT} 3000`, other: `${SERVER} 5120` },
      { own: `${SERVER} 5120`, other: `${OUTSIDE} 3000` },
    );
    const nat = [`POSTROUTING -s ${CLIENT} -p tcp -m tcp --dport 5120 -j SNAT --to-source ${OUTSIDE}`];
    await expectAgreement(rulesOf('ftp', FTP, nat), [...talk.packets, ...call]);
  });

  it('ftp over IPv6: EPRT and PORT', async () => {
    const nat = [`POSTROUTING -s ${CLIENT6} -j SNAT --to-source ${OUTSIDE6}`];
    const talk = login(
      new ThroughNat({ own: `${CLIENT6} 2000`, other: `${SERVER6} 21` }, { own: `${SERVER6} 21`, other: `${OUTSIDE6} 2000` }),
    );
    talk
      .say('client', `EPRT |2|${CLIENT6}|5120|\r\n`, 39 - CLIENT6.length)
      .send('server', ACK)
      .say('server', '200 ok\r\n');
    talk.say('client', 'NOOP\r\n').send('server', ACK);
    const call = callThrough(
      { own: `${SERVER6} 20`, other: `${OUTSIDE6} 5120` },
      { own: `${CLIENT6} 5120`, other: `${SERVER6} 20` },
    );
    talk.say('client', 'PORT 253,0,0,0,20,0\r\n', 2).send('server', ACK);
    await expectAgreement(rulesOf('ftp', FTP, nat), [...talk.packets, ...call], 6);
  });

  it('irc: DCC of a client behind SNAT', async () => {
    const talk = new ThroughNat(...behind(2000, 6667)).open().say('server', ':s NOTICE x\r\n');
    const ask = (address: number, port: number, name: string): string =>
      `PRIVMSG x :\x01DCC SEND ${name} ${address}  ${port} 99\x01\r\n`;
    talk
      .say('client', ask(167772161, 5120, 'f'), 0)
      .send('server', ACK)
      .say('client', 'JOIN #x\r\n')
      .send('server', ACK);
    talk.say('client', ask(167772161, 5121, 'g')).say('client', ask(3405803785, 5122, 'h'));
    const call = (port: number): Uint8Array[] =>
      callThrough({ own: `10.1.0.77 3000`, other: `${OUTSIDE} ${port}` }, { own: `${CLIENT} ${port}`, other: `10.1.0.77 3000` });
    await expectAgreement(rulesOf('irc', '-p tcp -m tcp --dport 6667', SNAT), [...talk.packets, ...call(5120), ...call(5122)]);
  });

  it('tftp: the answer finds the client behind SNAT, and the server behind DNAT', async () => {
    const request = '\0\x01file\0octet\0';
    const answer = '\0\x03\0\x01data';
    const packets = [
      udp(`${CLIENT} 2000`, `${SERVER} 69`, { data: request }),
      udp(`${SERVER} 3000`, `${OUTSIDE} 2000`, { data: answer }),
      udp(`${CLIENT} 2000`, `${SERVER} 3000`, { data: '\0\x04\0\x01' }),
      udp(`10.0.0.5 2000`, `${PUBLIC} 69`, { data: request }),
      udp(`${SERVER} 3001`, `10.0.0.5 2000`, { data: answer }),
      udp(`10.0.0.5 2000`, `${PUBLIC} 3001`, { data: '\0\x04\0\x01' }),
      udp(`10.0.0.5 2001`, `${PUBLIC} 69`, { data: request }),
      udp(`${SERVER} 69`, `10.0.0.5 2001`, { data: request }),
    ];
    await expectAgreement(rulesOf('tftp', '-p udp -m udp --dport 69', [...SNAT, ...DNAT]), packets);
  });

  it('amanda: ports are written as numbers, with and without a checksum', async () => {
    const talk = (from: string, noChecksum: boolean, answer: string): Uint8Array[] => [
      udp(`${from} 700`, `${PUBLIC} 10080`, { data: 'Amanda 2.4 REQ\n' }),
      udp(`${SERVER} 10080`, `${from} 700`, { data: answer, noChecksum }),
    ];
    const call = (from: string, port: number): Uint8Array[] =>
      callThrough({ own: `${from} 3000`, other: `${PUBLIC} ${port}` }, { own: `${SERVER} ${port}`, other: `${from} 3000` });
    const packets = [
      ...talk('10.0.0.5', false, 'Amanda 2.4 REP\nCONNECT DATA 5120 MESG 05121 INDEX 5122\n'),
      ...talk('10.0.0.6', true, 'CONNECT DATA 05120 MESG 05121 INDEX 05122 STATE 5123\n'),
      ...['10.0.0.5', '10.0.0.6'].flatMap((from) => [5120, 5121, 5122, 5123].flatMap((port) => call(from, port))),
    ];
    await expectAgreement(rulesOf('amanda', '-p udp -m udp --dport 10080', DNAT), packets);
  });

  it('errors about a connection whose data was rewritten', async () => {
    const talk = login(new ThroughNat(...behind(2000, 21)));
    talk.say('client', 'PORT 10,0,0,1,20,0\r\n', grown).say('server', '200 ok\r\n');
    const [sent, answered] = [talk.packets.at(-2)!, talk.packets.at(-1)!];
    // What each side quotes is what came to it: addresses are translated, and a sequence number differs once data has grown.
    const came = (packet: Uint8Array, source: string, destination: string): Uint8Array => {
      const quoted = packet.slice(0, 60);
      quoted.set(source.split('.').map(Number), 12);
      quoted.set(destination.split('.').map(Number), 16);
      return join([0, 0, 0, 0], quoted);
    };
    const errors = [
      icmp(CLIENT, SERVER, 3, 1, came(answered, SERVER, CLIENT)),
      icmp(SERVER, OUTSIDE, 3, 1, came(talk.packets[2]!, OUTSIDE, SERVER)),
      icmp('10.1.0.254', OUTSIDE, 11, 0, came(sent, OUTSIDE, SERVER)),
      // Nobody can have got these: they belong to no connection.
      icmp(CLIENT, SERVER, 3, 1, join([0, 0, 0, 0], answered.subarray(0, 60))),
      icmp('10.1.0.254', CLIENT, 11, 0, join([0, 0, 0, 0], sent.subarray(0, 60))),
    ];
    const answers = await expectAgreement(rulesOf('ftp', FTP, SNAT), [
      ...talk.packets,
      ...errors,
      ...talk.say('client', 'NOOP\r\n').packets.slice(-1),
    ]);
    for (const { outcome } of answers) {
      expect(outcome.counters.filter?.FORWARD?.rules.map(({ packets }) => packets)).toEqual([3, 2]);
    }
  });
});
