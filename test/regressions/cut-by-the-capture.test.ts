/**
 * A SYN of 60 bytes of which the capture kept 40, under `--prestack lenient`. TCPMSS took what was captured for the packet, put its option in front of data that is only not there, and read beyond the capture for it; a
 * header that is cut itself was dropped, of which the kernel knows nothing. Not asked of the kernel: it never sees a cut packet. The second story: the bytes of a packet that TCPMSS lengthened
 * were summed up as they had been.
 * The third: TCP options of which the capture holds a part are read by nobody, as conntrack reads all or none (tcp_options, tcp_sack: skb_header_pointer); the engine read those that were there.
 */
import { describe, expect, it } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { buildHost } from '../../src/model/host-build.ts';
import type { PacketOutcome } from '../../src/model/outcome.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { tcp } from '../reference/build.ts';
import { WITNESSES } from './witnesses.ts';

const RULES =
  '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --tcp-flags SYN SYN -j TARGET\nCOMMIT\n';

/** 10.0.0.1 to 10.0.0.2, TCP without options; `total` bytes in the header's words, `kept` in the capture, `offset` words of TCP header. */
function syn(total: number, kept: number, offset = 5): Uint8Array {
  const bytes = Buffer.from(
    '450000000001400040060000' + '0a000001' + '0a000002' + '03e80050' + '00000001' + '00000000' + '50027210' + '00000000',
    'hex',
  );
  bytes.writeUInt16BE(total, 2);
  bytes[32] = offset << 4;
  const whole = Buffer.concat([bytes, Buffer.alloc(Math.max(0, kept - bytes.length))]);
  return new Uint8Array(whole.subarray(0, kept));
}

async function judged(start: (typeof WITNESSES)[number][1], packet: Uint8Array, target: string) {
  const outcomes: PacketOutcome[] = [];
  const session = await start(
    {
      rules: { 4: parseSave(RULES.replace('TARGET', target), { file: 'cut', family: 4 }) },
      host: buildHost({ local: ['10.0.0.2'], in: 'eth0' }),
      profile: { ...DEFAULT_PROFILE, prestack: 'lenient' },
      packets: { path: false, bytes: true },
    },
    (outcome) => outcomes.push(outcome),
  );
  session.startCapture('cut');
  session.feed(writePcap([{ time: 1_700_000_000_000_000_000n, bytes: packet }], 101));
  session.endCapture();
  const { bytes } = session.result();
  return { verdict: outcomes[0]!.verdict, length: outcomes[0]!.bytes, rewritten: outcomes[0]!.rewritten, bytes };
}

const GROWN = 'TCPMSS --set-mss 500';

describe('a SYN that the capture cut', () => {
  for (const [name, start] of WITNESSES) {
    it(`${name}: has data, so no option is put in`, async () => {
      const packet = syn(60, 40);
      expect(await judged(start, packet, GROWN)).toEqual({ verdict: 'ACCEPT', length: 60, bytes: 60, rewritten: packet });
    });

    it(`${name}: a header that is cut says nothing, and the packet goes on`, async () => {
      const packet = syn(60, 44, 10);
      expect(await judged(start, packet, GROWN)).toEqual({ verdict: 'ACCEPT', length: 60, bytes: 60, rewritten: packet });
    });

    it(`${name}: a whole one grows by its option, and so do the bytes`, async () => {
      expect(await judged(start, syn(40, 40), GROWN)).toMatchObject({ verdict: 'ACCEPT', length: 44, bytes: 44 });
    });

    it(`${name}: a broken header of a whole one is dropped`, async () => {
      expect(await judged(start, syn(40, 40, 10), GROWN)).toMatchObject({ verdict: 'DROP' });
    });
  }
});

describe('TCP options of which the capture kept a part', () => {
  const [CLIENT, SERVER] = ['10.0.0.1 4000', '10.0.0.2 80'];
  const OPEN = [4, 2, 1, 1, 1, 1, 1, 1];
  /** Behind all that the client sent: SACK_PERMITTED of the client makes the packet INVALID. */
  const BLOCK = [1, 1, 5, 10, 0, 0, 0x10, 0, 0, 0, 0x20, 0];
  const packets = [
    tcp(CLIENT, SERVER, 2, { seq: 1000, tcpOptions: OPEN }),
    tcp(SERVER, CLIENT, 0x12, { seq: 5000, ack: 1001, tcpOptions: OPEN }),
    tcp(CLIENT, SERVER, 0x10, { seq: 1001, ack: 5001 }),
    tcp(SERVER, CLIENT, 0x18, { seq: 5001, ack: 1001, data: 5, tcpOptions: BLOCK }),
    tcp(CLIENT, SERVER, 0x18, { seq: 1001, ack: 5001, data: 5, tcpOptions: BLOCK }),
  ];

  /** The states of all of them, where the packet `cut` is without its last `by` bytes. */
  async function states(start: (typeof WITNESSES)[number][1], cut: number, by: number) {
    const told: (string | undefined)[] = [];
    const job = {
      rules: { 4: parseSave('*filter\n-A INPUT -m conntrack --ctstate NEW\nCOMMIT\n', { file: 'cut', family: 4 }) },
      host: buildHost({ local: ['10.0.0.2'], in: 'eth0' }),
      profile: { ...DEFAULT_PROFILE, prestack: 'lenient' as const },
      packets: { path: false },
    };
    const session = await start(job, ({ ctstate }) => told.push(ctstate));
    session.startCapture('cut');
    const kept = packets.map((bytes, index) => (index === cut ? bytes.subarray(0, bytes.length - by) : bytes));
    session.feed(
      writePcap(
        kept.map((bytes, index) => ({
          time: 1_700_000_000_000_000_000n + BigInt(index) * 1_000_000n,
          bytes,
          wire: packets[index]!.length,
        })),
        101,
      ),
    );
    session.endCapture();
    return told;
  }

  for (const [name, start] of WITNESSES) {
    it.each([
      ['of none: blocks count', 0, 0, ['NEW', 'ESTABLISHED', 'ESTABLISHED', 'INVALID', 'INVALID']],
      ['of the SYN: the client permitted none', 0, 4, ['NEW', 'ESTABLISHED', 'ESTABLISHED', 'ESTABLISHED', 'INVALID']],
      ['of the SYN/ACK: the server permitted none', 1, 4, ['NEW', 'ESTABLISHED', 'ESTABLISHED', 'INVALID', 'ESTABLISHED']],
      ['of a segment: its blocks are not read', 4, 6, ['NEW', 'ESTABLISHED', 'ESTABLISHED', 'INVALID', 'ESTABLISHED']],
    ] as const)(`${name}: %s`, async (_, cut, by, expected) => {
      expect(await states(start, cut, by)).toEqual(expected);
    });
  }
});
