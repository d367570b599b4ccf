/** `replay -w`: the accepted packets as rules leave them, in a pcap file or on standard output, the same by both engines. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { type WrittenFrame, writePcap } from '../../src/capture/writer.ts';
import { readWith } from '../capture/read.ts';
import { ACK, ip, SYN, tcp, udp } from '../kernel/packets.ts';
import { command, shell } from './command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-write-'));
afterAll(() => rmSync(folder, { recursive: true }));

const file = (name: string, data: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, data);
  return path;
};

const RULES = file(
  'rules.v4',
  `*mangle
:PREROUTING ACCEPT
-A PREROUTING -p udp --dport 53 -j MARK --set-mark 7
-A PREROUTING -m mark --mark 7 -j TOS --set-tos 0x10
-A PREROUTING -m mark --mark 7 -j TTL --ttl-set 99
-A FORWARD -p tcp --sport 77 -j TTL --ttl-set 255
-A FORWARD -p tcp --syn -j TCPMSS --set-mss 1000
COMMIT
*nat
:PREROUTING ACCEPT
-A PREROUTING -p udp --dport 53 -j DNAT --to-destination 198.51.100.9:5353
-A POSTROUTING -p udp -j SNAT --to-source 203.0.113.1
COMMIT
*filter
:FORWARD ACCEPT
-A FORWARD -p udp --dport 9 -j DROP
-A FORWARD -p udp --dport 10 -j REJECT
COMMIT
`,
);

const START = 1_700_000_000_000_000_007n;
const ETHERNET = Buffer.from('0200000000020200000000010800', 'hex');
const VLAN = Buffer.from('02000000000202000000000181000005810000060800', 'hex');
const dns = udp('10.0.0.5 4000', '198.51.100.7 53', 100);
const open = tcp('10.0.0.5 4000', '198.51.100.7 80', SYN);
const frame = (number: number, header: Uint8Array, packet: Uint8Array, more: Partial<WrittenFrame> = {}): WrittenFrame => ({
  time: START + BigInt(number) * 1_000_000_001n,
  bytes: Buffer.concat([header, packet]),
  ...more,
});
const ARP = Buffer.concat([ETHERNET.subarray(0, 12), Buffer.from('0806', 'hex'), Buffer.alloc(46)]);
const FRAMES = [
  frame(0, ETHERNET, dns),
  frame(1, ETHERNET, udp('10.0.0.5 4000', '198.51.100.7 9')),
  frame(2, ETHERNET, udp('10.0.0.5 4000', '198.51.100.7 10')),
  frame(3, ARP, new Uint8Array()),
  frame(4, VLAN, open),
  // Padded to 60 bytes by its card; cut by the capture.
  frame(5, ETHERNET, Buffer.concat([tcp('10.0.0.5 4000', '198.51.100.7 80', ACK, 1001), Buffer.alloc(6)])),
  frame(6, ETHERNET, dns.subarray(0, 60), { wire: 14 + dns.length }),
];
const CAPTURE = file('capture.pcap', writePcap(FRAMES, 1));
/** What the rules make of it: other addresses and port, TOS and TTL (less one hop), and what follows of them in checksums. */
const TRANSLATED = (() => {
  const packet = Buffer.from(udp('203.0.113.1 4000', '198.51.100.9 5353', 100));
  packet[1] = 0x10;
  return withTtl(packet, 98);
})();
/** With the option that TCPMSS adds: kind 2, length 4, 536, what RFC 1122 lets a side take that was told nothing. */
const CLAMPED = (() => {
  const segment = Buffer.concat([open.subarray(20), Buffer.from('02040218', 'hex')]);
  segment.writeUInt8(0x60, 12);
  segment.writeUInt16BE(0, 16);
  return ip('10.0.0.5', '198.51.100.7', 6, segment, 16, { ttl: 63 });
})();

function withTtl(packet: Uint8Array, ttl: number): Buffer {
  const out = Buffer.from(packet);
  out[8] = ttl;
  out.writeUInt16BE(headerSum(out), 10);
  return out;
}

function headerSum(header: Buffer): number {
  let sum = 0;
  for (let at = 0; at < 20; at += 2) if (at !== 10) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

const replay = (capture: string, ...args: string[]) => [
  ...['replay', '-R', RULES, '-r', capture, '--forward', '--in', 'eth0', '--out', 'eth1', '--prestack', 'lenient', '--no-timing'],
  ...args,
];
const read = (path: string) => {
  const { frames, linktypes, damage } = readWith(readFileSync(path));
  expect(damage).toBeUndefined();
  return {
    linktypes,
    frames: frames.map(({ time, bytes, wire }) => ({ time, bytes: Buffer.from(bytes).toString('hex'), wire })),
  };
};
const plain = (...frames: WrittenFrame[]) =>
  frames.map(({ time, bytes, wire = bytes.length }) => ({ time, bytes: Buffer.from(bytes).toString('hex'), wire }));
const KEPT = plain(
  frame(0, ETHERNET, TRANSLATED),
  frame(4, VLAN, CLAMPED),
  frame(5, ETHERNET, withTtl(tcp('10.0.0.5 4000', '198.51.100.7 80', ACK, 1001), 63)),
  frame(6, ETHERNET, TRANSLATED.subarray(0, 60), { wire: 14 + dns.length }),
);

test('what is accepted, as it was rewritten, with its time, link header and lengths', async () => {
  const paths = ['wasm', 'reference'].map((engine) => join(folder, `${engine}.pcap`));
  for (const [index, engine] of ['wasm', 'reference'].entries()) {
    const args = replay(CAPTURE, '--engine', engine);
    const { code, stderr, stdout } = await command([...args, '-w', paths[index]!]);
    expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: '', stdout: (await command(args)).stdout });
  }
  expect(readFileSync(paths[0]!).equals(readFileSync(paths[1]!))).toBe(true);
  expect(read(paths[0]!)).toEqual({ linktypes: [1], frames: KEPT });
});

test('on standard output, from standard input, packed, counted', async () => {
  const path = join(folder, 'piped.pcap');
  const args = replay('-', '-w', '-').join(' ');
  const piped = await shell(`cat ${CAPTURE} | wasmtables ${args} > ${path}`);
  expect(piped).toMatchObject({ code: 0, stderr: expect.stringContaining('DROP') });
  expect(read(path)).toEqual({ linktypes: [1], frames: KEPT });
  const packed = file('capture.pcap.gz', gzipSync(readFileSync(CAPTURE)));
  await command(replay(packed, '-w', path, '-c', '5'));
  expect(read(path).frames).toEqual(KEPT.slice(0, 2));
});

test('captures of several link types: from the IP header on', async () => {
  const raw = file('raw.pcap', writePcap([frame(9, new Uint8Array(), dns)], 101));
  const path = join(folder, 'several.pcap');
  expect(await command(replay(CAPTURE, '-r', raw, '-w', path))).toMatchObject({ code: 0, stderr: '' });
  const { linktypes, frames } = read(path);
  expect(linktypes).toEqual([101]);
  const bare = KEPT.map(({ bytes, wire, ...rest }, i) => {
    const header = i === 1 ? VLAN.length : ETHERNET.length;
    return { ...rest, bytes: bytes.slice(2 * header), wire: wire - header };
  });
  expect(frames).toEqual([...bare, ...plain(frame(9, new Uint8Array(), TRANSLATED))]);
});

test('one stream of several link types: what does not fit the first is told', async () => {
  const raw = file('stream.pcap', writePcap([frame(9, new Uint8Array(), dns)], 101));
  const path = join(folder, 'stream-out.pcap');
  const line = `wasmtables ${replay(`<(cat ${CAPTURE})`, '-r', `<(cat ${raw})`, '-w', path).join(' ')}`;
  expect(await shell(line)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('--write: 1 packet of another link type than the first not written'),
  });
  expect(read(path)).toEqual({ linktypes: [1], frames: KEPT });
});

test('PPPoE counts what a packet grew by', async () => {
  const pppoe = (packet: Uint8Array): Buffer => {
    const header = Buffer.concat([ETHERNET.subarray(0, 12), Buffer.from('8864110000010000', 'hex'), Buffer.from('0021', 'hex')]);
    header.writeUInt16BE(packet.length + 2, 18);
    return header;
  };
  const capture = file('pppoe.pcap', writePcap([frame(0, pppoe(open), open)], 1));
  const path = join(folder, 'pppoe-out.pcap');
  await command(replay(capture, '-w', path));
  expect(read(path).frames).toEqual(plain(frame(0, pppoe(CLAMPED), CLAMPED)));
});

test.each(['wasm', 'reference'])(
  'a TTL that is set where packets are forwarded is the one they leave with (%s)',
  async (engine) => {
    const packet = tcp('10.0.0.5 77', '198.51.100.7 80', ACK);
    const path = join(folder, 'ttl-out.pcap');
    await command(replay(file('ttl.pcap', writePcap([frame(0, ETHERNET, packet)], 1)), '-w', path, '--engine', engine));
    expect(read(path).frames).toEqual(plain(frame(0, ETHERNET, withTtl(packet, 255))));
  },
);

test('nothing accepted is an empty capture', async () => {
  const path = join(folder, 'empty.pcap');
  await command(replay(file('dropped.pcap', writePcap(FRAMES.slice(1, 4), 1)), '-w', path));
  expect(read(path)).toEqual({ linktypes: [1], frames: [] });
});

test('packets are written while others are still to come', async () => {
  const path = join(folder, 'live.pcap');
  const many = Buffer.from(writePcap(new Array<WrittenFrame>(8000).fill(FRAMES[0]!), 1));
  let before = 0;
  const { code } = await command(replay('-', '-w', path), {
    running: ({ stdin }) => {
      stdin?.write(many);
      const timer = setInterval(() => {
        before = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
        if (before < many.length / 2) return;
        clearInterval(timer);
        stdin?.end();
      }, 20);
    },
  });
  expect(code).toBe(0);
  expect(before).toBeLessThan(many.length);
  expect(read(path).frames.length).toBe(8000);
});

test.each([
  [['-w', '-', '--verdicts', '-'], /--verdicts - and --write - both want standard output/],
  [['-w', '-', '--format', 'json'], /standard output/],
  [['-w', join(folder, 'x'), '-R', RULES], /--write takes one -R/],
  [['-w', join(folder, 'x'), '--jobs', '2'], /--jobs: --write/],
  [['-w', CAPTURE], /--write .* would overwrite/],
  [['-w', join(folder, 'x'), '--log', join(folder, 'x')], /both want to write/],
])('refused: %s', async (more, message) => {
  expect(await command(replay(CAPTURE, ...more))).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
});

test('a file that cannot be made is told as those of the others', async () => {
  const path = join(folder, 'nowhere', 'x');
  const [log, write] = await Promise.all(['--log', '-w'].map((option) => command(replay(CAPTURE, option, path))));
  expect({ ...write, stderr: write!.stderr.replace('--write', '--log') }).toEqual(log);
  expect(write).toMatchObject({ code: expect.not.stringMatching('0'), stderr: expect.stringContaining(path) });
});
