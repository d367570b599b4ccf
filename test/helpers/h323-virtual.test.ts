/** H.323 on older kernels, from a registration to its streams: what is listed after a second, and after minutes. */
import { expect, it } from 'vitest';
import {
  callMessage,
  gatekeeperConfirm,
  openChannel,
  type Place,
  registrationConfirm,
  registrationRequest,
  tpkt,
} from '../../src/fuzz/h323.ts';
import { describeVirtual } from '../kernel/machine.ts';
import { differencesOf, judgeVirtual } from '../kernel/virtual-differential.ts';
import { udp } from '../reference/build.ts';
import { frameOf } from '../reference/replay.ts';
import { Conversation } from './conversation.ts';

const [PHONE, KEEPER, OTHER] = ['10.0.0.1', '10.1.0.2', '10.1.0.9'];
const RULES = '*raw\n-A PREROUTING -p udp -m udp --dport 1719 -j CT --helper RAS\nCOMMIT\n';

const at = (address: string, port: number): Place => ({ address, port });
const text = (message: Uint8Array): string => String.fromCharCode(...tpkt(message));

function fromRegistrationToStreams(): Uint8Array[] {
  const asks = (data: Uint8Array, keeper = KEEPER): Uint8Array => udp(`${PHONE} 2000`, `${keeper} 1719`, { data });
  const answers = (data: Uint8Array, keeper = KEEPER): Uint8Array => udp(`${keeper} 1719`, `${PHONE} 2000`, { data });
  const call = new Conversation(`${KEEPER} 3000`, `${PHONE} 1720`).open();
  call.say('server', text(callMessage('connect', { h245: at(PHONE, 5000), channels: [{ media: at(PHONE, 7000) }] })));
  const control = new Conversation(`${KEEPER} 3001`, `${PHONE} 5000`).open();
  control.say('server', text(openChannel({ media: at(PHONE, 6000) })));
  return [
    asks(registrationRequest([at(PHONE, 1720)], 900)),
    answers(registrationConfirm([at(KEEPER, 1720)], 600)),
    answers(gatekeeperConfirm(at(OTHER, 1719))),
    ...call.packets,
    ...control.packets,
    udp(`${KEEPER} 9`, `${PHONE} 6000`),
    udp(`${KEEPER} 9`, `${PHONE} 7001`),
    asks(registrationRequest([at(PHONE, 1721)]), OTHER),
    answers(gatekeeperConfirm(at(KEEPER, 1799)), OTHER),
  ];
}

for (const kernel of ['6.1', '6.12'] as const) {
  describeVirtual(kernel, 'H.323', () => {
    it('calls, channels and streams, and what is left of them', { timeout: 180_000 }, async () => {
      const packets = fromRegistrationToStreams().map((bytes, i) => ({ time: frameOf(bytes, i).time, bytes }));
      const cases = [1n, 200n].map((seconds) => ({
        name: `after ${seconds} seconds`,
        family: 4 as const,
        rules: RULES,
        packets,
        end: packets.at(-1)!.time + seconds * 1_000_000_000n,
      }));
      const judged = await judgeVirtual(kernel, cases);
      expect(differencesOf(judged)).toEqual([]);
      expect(judged.map(({ outcome }) => [outcome.entries.length, outcome.expectations.length])).toEqual([
        [6, 4],
        [2, 2],
      ]);
    });
  });
}
