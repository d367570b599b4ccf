/** A helper reads all that its connection says, also where every packet of it meets the same rules, and where nobody asks for packets: ways of connections are kept then (assembly/whole.ts), but not of these. */
import { expect, it } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { expectAlike } from '../engine/session/told.ts';
import { ACK } from '../reference/build.ts';
import { FORWARDING, frameOf } from '../reference/replay.ts';
import { Conversation, call } from './conversation.ts';

const CLIENT = '10.0.0.1';
const SERVER = '10.1.0.2';
const TIMES = 8;
const ETHERNET = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];

const table = (name: string, rules: string): string => `*${name}\n${rules}COMMIT\n`;
const FILTER = table(
  'filter',
  '-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A FORWARD -m conntrack --ctstate RELATED -j ACCEPT\n',
);

it.each([
  ['a service', table('raw', '-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp\n')],
  ['any port', table('raw', '-A PREROUTING -p tcp -j CT --helper ftp\n')],
  [
    'a service, and a table more',
    `${table('raw', '-A PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp\n')}${table('mangle', '-A POSTROUTING -p tcp\n')}`,
  ],
])('%s: each of many ports is expected, whoever names it', async (_, front) => {
  const talk = new Conversation(`${CLIENT} 40000`, `${SERVER} 21`).open().say('server', '220 ready\r\n');
  const packets: Uint8Array[] = [];
  // A connection of FTP waits for one at a time.
  const called = (from: string, to: string): void => void packets.push(...talk.packets.splice(0), ...call(from, to));
  for (let time = 0; time < TIMES; time++) {
    talk.say('client', 'PASV\r\n').say('server', `227 x (10,1,0,2,20,${time})\r\n`).send('client', ACK);
    called(`${CLIENT} ${50_000 + time}`, `${SERVER} ${5120 + time}`);
    talk.say('client', `PORT 10,0,0,1,21,${time}\r\n`).say('server', '200 ok\r\n');
    called(`${SERVER} 20`, `${CLIENT} ${5376 + time}`);
  }
  const job = {
    rules: { 4: parseSave(front + FILTER, { file: 'rules.v4' }) },
    host: buildHost(FORWARDING),
    profile: DEFAULT_PROFILE,
  };
  const { expected } = await expectAlike(
    job,
    writePcap(
      packets.map((bytes, i) => frameOf(Uint8Array.from([...ETHERNET, ...bytes]), i / 100)),
      1,
    ),
    'words',
  );
  expect(expected.result.ctstates.RELATED).toBe(2 * TIMES);
});
