/** Fingerprints of systems, judged by kernels that nfnl_osf gave the same file. They are the whole machine's, so only machines of our own are asked. */
import { expect, test } from 'vitest';
import type { Draw } from '../../src/extensions/extension.ts';
import type { Fingerprint } from '../../src/model/fingerprints.ts';
import { parseFingerprints } from '../../src/syntax/index.ts';
import { drawOf } from '../extensions/packets.ts';
import { SEED } from '../seed.ts';
import { describeVirtual } from './machine.ts';
import { ip } from './packets.ts';
import { differencesOf, judgeVirtual, type SentPacket } from './virtual-differential.ts';

const NOW = 1_700_000_000_003_000_000n;
const [SYN, ACK] = [2, 16];
const GENRES = ['Linux', 'Windows', 'NMAP', 'FreeBSD'];

/** In the style of pf.os, comments and odd ones included. */
const FILE = `# A comment

512:64:0:44:M*:		Linux:2.0:3x:Linux 2.0.3x
S4:64:1:60:M*,S,T,N,W7:		Linux:2.6::Linux 2.6
S3:64:1:60:M1460,S,T,N,W0:	@Linux:odd:x:@ is left out
S*:64:0:48:M*,N,N,S:		Linux:any::a window of no segments
T4:64:0:60:M*,N,W%2,N,N,T:	FreeBSD:4::in packets of the MTU
T%3:255:1:44:M%8:		FreeBSD:m::a percent sign is stepped over
%8192:128:1:48:M*,N,N,S:	Windows:XP::a multiple
%1:128:0:52:M*,N,W*,N,N,S:	Windows:7::a multiple of one
*:128:1:40:.:			Windows:none::any window, no options
65535:128:0:40::		Windows:empty::no options either
16384:64:0:44:E,N,?12,N,N:	NMAP:eol::what nobody knows is no option
1024:60:0:60:W10,N,M265,T,E,N:	NMAP:T1:1:NMAP probe
S70000:64:1:44:M*:		NMAP:huge::a window in more than 32 bits of segments
63:64:257:48: M1 , N,N,N,N:		NMAP:blank::blanks in front of fields, a flag that is cut to eight bits
`;

const finger = parseFingerprints(FILE, 'pf.os');

/** A SYN that a fingerprint fits, often with something wrong. */
function packetOf(draw: Draw, one: Fingerprint): Uint8Array {
  const mss = draw.pick([1460, 1448, 536, 1]);
  const sizes = { plain: 0, mss, mtu: mss + 40, modulo: 1 };
  const { kind, value } = one.window;
  const usual = draw.chance(0.3) ? draw.pick([1460, 1448]) + (kind === 'mtu' ? 40 : 0) : sizes[kind];
  const fitting =
    kind === 'plain' ? value || draw.integer(0, 65535) : kind === 'modulo' ? value * draw.integer(0, 7) : value * usual;
  const wrong = draw.chance(0.35) ? draw.pick(['window', 'ttl', 'flag', 'length', 'options', 'syn', 'cut']) : '';
  const options = Buffer.concat(one.options.map(({ kind: option, length }) => optionBytes(option, length, mss)));
  if (wrong === 'options' && options.length > 0) options[draw.integer(0, options.length - 1)]! ^= 1;
  const payload = Math.max(0, one.length - 40 - options.length + (wrong === 'length' ? draw.pick([1, -1]) : 0));
  const segment = Buffer.concat([Buffer.alloc(20), options, Buffer.alloc(payload)]);
  segment.writeUInt16BE(1000 + draw.integer(0, 5), 0);
  segment.writeUInt16BE(80, 2);
  segment.writeUInt8(((20 + options.length) >> 2) << 4, 12);
  if (wrong === 'cut') segment.writeUInt8(0xf0, 12);
  segment.writeUInt8(wrong === 'syn' ? ACK : draw.chance(0.1) ? SYN | ACK : SYN, 13);
  segment.writeUInt16BE((fitting + (wrong === 'window' ? 1 : 0)) & 0xffff, 14);
  const ttl = Math.max(2, Math.min(255, one.ttl + 1 + (wrong === 'ttl' ? draw.pick([-1, 1, -20]) : 0)));
  const fragment = one.dontFragment !== (wrong === 'flag') ? 0x4000 : 0;
  return ip('10.0.0.1', '192.0.2.1', 6, segment, 16, { ttl, fragment });
}

function optionBytes(kind: number, length: number, mss: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUInt8(kind, 0);
  if (length > 1) bytes.writeUInt8(length, 1);
  if (kind === 2) bytes.writeUInt16BE(mss, 2);
  return bytes;
}

/** In FORWARD the TTL is one less. */
const rules = [
  '*filter',
  ':INPUT ACCEPT',
  ':FORWARD ACCEPT',
  ':OUTPUT ACCEPT',
  ...GENRES.flatMap((genre) =>
    ['', ' --ttl 0', ' --ttl 1', ' --ttl 2', ' --log 0', ' --ttl 2 --log 1'].map(
      (more) => `-A FORWARD -p tcp -m osf --genre ${genre}${more}`,
    ),
  ),
  '-A FORWARD -p tcp -m osf ! --genre Linux',
  '-A FORWARD -p tcp -m osf --genre linux',
  'COMMIT\n',
].join('\n');

for (const kernel of ['6.1', '6.12'] as const) {
  describeVirtual(kernel, `fingerprints (seed ${SEED})`, () => {
    test('fit what the kernel says', { timeout: 120_000 }, async () => {
      const draw = drawOf(SEED);
      const packets: SentPacket[] = Array.from({ length: 1500 }, (_, i) => ({
        time: NOW + BigInt(i) * 1_000_000n,
        bytes: packetOf(draw, draw.pick(finger)),
      }));
      const judged = await judgeVirtual(kernel, [{ name: 'fingerprints', rules, packets, osf: FILE }]);
      expect(differencesOf(judged)).toEqual([]);
      const counts = judged[0]!.outcome.counters.filter!.FORWARD!.rules.map(({ packets: number }) => number);
      expect(counts.slice(0, -1).every((number) => number > 20 && number < 1400)).toBe(true);
      expect(counts.at(-1)).toBe(0);
    });
  });
}
