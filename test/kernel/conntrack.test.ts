/** Connections and expectations as conntrack prints them: lines recorded from conntrack-tools 1.4.7 on kernel 6.18, and the real tool. */
import { expect, test } from 'vitest';
import { parseConntrack, parseExpectations } from '../../src/kernel/conntrack.ts';
import { type KernelJob, runKernel } from '../../src/kernel/index.ts';
import type { ConntrackEntry } from '../../src/model/outcome.ts';
import { describeKernel } from './machine.ts';
import { ACK, SYN, tcp, udp } from './packets.ts';

const ENDS4 = 'src=192.0.2.1 dst=198.51.100.2';
const BACK4 = 'src=198.51.100.2 dst=192.0.2.1';
const ENDS6 = 'src=2001:db8::1 dst=2001:db8:1::2';
const BACK6 = 'src=2001:db8:1::2 dst=2001:db8::1';

/** An entry between the two hosts of the lines above. */
function entry(
  family: 4 | 6,
  protocol: number,
  timeout: number,
  ports: [number, number],
  more: Partial<ConntrackEntry> = {},
): ConntrackEntry {
  const [one, two] = family === 4 ? ['192.0.2.1', '198.51.100.2'] : ['2001:db8::1', '2001:db8:1::2'];
  const [source, destination] = [
    { address: one, port: ports[0] },
    { address: two, port: ports[1] },
  ];
  const reply = { source: destination, destination: source };
  const flags = { unreplied: true, assured: false, mark: 0 };
  return { family, protocol, timeout, original: { source, destination }, reply, ...flags, ...more };
}

test.each<[string, ConntrackEntry]>([
  [
    `ipv4     2 tcp      6 431999 ESTABLISHED ${ENDS4} sport=1000 dport=80 ${BACK4} sport=80 dport=1000 [ASSURED] mark=0 use=1`,
    entry(4, 6, 431999, [1000, 80], { state: 'ESTABLISHED', unreplied: false, assured: true }),
  ],
  [
    `ipv4     2 tcp      6 119 SYN_SENT ${ENDS4} sport=1001 dport=80 zone-orig=5 [UNREPLIED] ${BACK4} sport=80 dport=1001 mark=0 use=1`,
    entry(4, 6, 119, [1001, 80], { state: 'SYN_SENT', zones: ['zone-orig=5'] }),
  ],
  [
    `ipv6     10 udp      17 29 ${ENDS6} sport=5 dport=6 [UNREPLIED] ${BACK6} sport=6 dport=5 mark=42 zone=7 use=1`,
    entry(6, 17, 29, [5, 6], { mark: 42, zones: ['zone=7'] }),
  ],
  [
    `ipv4     2 udplite  136 29 ${ENDS4} sport=7 dport=8 [UNREPLIED] ${BACK4} sport=8 dport=7 mark=0 use=1`,
    entry(4, 136, 29, [7, 8]),
  ],
  [
    `ipv4     2 gre      47 29 ${ENDS4} srckey=0x0 dstkey=0x1234 [UNREPLIED] ${BACK4} srckey=0x1234 dstkey=0x0 mark=0 use=1`,
    entry(4, 47, 29, [0, 0x1234]),
  ],
  [
    `ipv4     2 sctp     132 9 CLOSED ${ENDS4} sport=3000 dport=3001 [UNREPLIED] ${BACK4} sport=3001 dport=3000 mark=0 use=1`,
    entry(4, 132, 9, [3000, 3001], { state: 'CLOSED' }),
  ],
  [
    `ipv4     2 dccp     33 599 ${ENDS4} sport=0 dport=0 [UNREPLIED] ${BACK4} sport=0 dport=0 mark=0 use=1`,
    entry(4, 33, 599, [0, 0]),
  ],
  [`ipv6     10 unknown  99 599 ${ENDS6} [UNREPLIED] ${BACK6} mark=0 use=1`, entry(6, 99, 599, [0, 0])],
])('entry: %s', (line, expected) => {
  expect(parseConntrack(`${line}\n`)).toEqual([expected]);
});

test('entries of ICMP have the id at their source, and type and code', () => {
  const lines = [
    `ipv4     2 icmp     1 29 ${ENDS4} type=8 code=0 id=7 [UNREPLIED] ${BACK4} type=0 code=0 id=7 mark=0 use=1`,
    `ipv6     10 icmpv6   58 29 ${ENDS6} type=128 code=0 id=7 [UNREPLIED] ${BACK6} type=129 code=0 id=7 mark=0 use=1`,
  ];
  const [four, six] = parseConntrack(lines.join('\n'));
  const { original, reply } = entry(4, 1, 29, [7, 0]);
  const answer = { source: { ...reply.source, port: 7 }, destination: { ...reply.destination, port: 0 }, type: 0, code: 0 };
  expect(four).toEqual(entry(4, 1, 29, [7, 0], { original: { ...original, type: 8, code: 0 }, reply: answer }));
  expect([six?.original.type, six?.reply.type, six?.reply.source.port]).toEqual([128, 129, 7]);
});

test('an expectation', () => {
  const mask = 'mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535';
  const line = `299 proto=6 ${BACK4} sport=0 dport=1029 ${mask} master-src=192.0.2.1 master-dst=198.51.100.2 sport=1002 dport=21 class=0 helper=ftp`;
  const end = (address: string, port: number) => ({ address, port });
  expect(parseExpectations(`${line}\n`)).toEqual([
    {
      protocol: 6,
      timeout: 299,
      tuple: { source: end('198.51.100.2', 0), destination: end('192.0.2.1', 1029) },
      mask: { source: end('255.255.255.255', 0), destination: end('255.255.255.255', 65535) },
      master: { source: end('192.0.2.1', 1002), destination: end('198.51.100.2', 21) },
      class: 0,
      helper: 'ftp',
      flags: [],
    },
  ]);
});

test('nothing is nothing, and a line that is none is an error', () => {
  expect([parseConntrack(''), parseExpectations('\n')]).toEqual([[], []]);
  expect(() => parseConntrack('conntrack: something new\n')).toThrow(/something new/);
  expect(() => parseExpectations('what is this\n')).toThrow(/what is this/);
});

const RULES = '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD -m conntrack --ctstate NEW\nCOMMIT\n';

function forward(packets: Uint8Array[], more: Partial<KernelJob> = {}): KernelJob {
  const frames = packets.map((bytes, i) => ({ time: BigInt(i), bytes, direction: 'in' as const }));
  return { backend: 'legacy', family: 4, rules: RULES, topology: 'forward', trace: false, frames, ...more };
}

/** A TCP segment with text in it; its checksum is made right. */
function say(from: string, to: string, seq: number, text: string): Uint8Array {
  const bytes = tcp(from, to, ACK, seq, 9, text.length);
  bytes.set(Buffer.from(text), bytes.length - text.length);
  let sum = (bytes[36] ?? 0) * 256 + (bytes[37] ?? 0);
  for (let i = 0; i < text.length; i += 2) sum -= text.charCodeAt(i) * 256 + (text.charCodeAt(i + 1) || 0);
  while (sum < 0) sum += 0xffff;
  bytes.set([sum >> 8, sum & 255], 36);
  return bytes;
}

describeKernel('conntrack of the running kernel', () => {
  test.each(['legacy', 'nft'] as const)('%s: entries of both families, looked at when it says', async (backend) => {
    const [a, b] = ['192.0.2.1', '198.51.100.2'];
    const job = forward([udp(`${a} 5`, `${b} 53`), udp('2001:db8::1 5', '2001:db8:1::2 53')], { backend, rulesOther: RULES });
    const { entries, listed, packets } = await runKernel(job);
    expect(entries.map(({ timeout, ...rest }) => [rest.family, rest.protocol, timeout >= 28 && timeout < 30])).toEqual([
      [4, 17, true],
      [6, 17, true],
    ]);
    expect(listed.from).toBeGreaterThan(packets[1]?.injected ?? 0n);
    expect(listed.to).toBeGreaterThan(listed.from);
  });

  test('no rule needs conntrack: no entries', async () => {
    const rules = RULES.replace('-m conntrack --ctstate NEW', '');
    const { entries, expectations, conntrack } = await runKernel(forward([udp('192.0.2.1 5', '198.51.100.2 53')], { rules }));
    expect([entries, expectations, conntrack]).toEqual([[], [], '']);
  });

  test('a connection whose time is over is not listed, though nothing has reaped it', async () => {
    const later = { time: 1_600_000_000n, bytes: udp('192.0.2.1 6', '198.51.100.2 54'), direction: 'in' as const };
    const job = forward([udp('192.0.2.1 5', '198.51.100.2 53')], { sysctls: { 'net.netfilter.nf_conntrack_udp_timeout': '1' } });
    const { entries } = await runKernel({ ...job, frames: [...job.frames, later], spacing: 'real' });
    expect(entries.map(({ original }) => original.source.port)).toEqual([6]);
  });

  test('an FTP helper expects the data connection', async () => {
    const rules = `*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n${RULES}`;
    const [a, b] = ['192.0.2.1 1002', '198.51.100.2 21'];
    const packets = [tcp(a, b, SYN, 1), tcp(b, a, SYN | ACK, 8, 2), tcp(a, b, ACK, 2, 9)];
    packets.push(say(a, b, 2, 'USER a\r\n'), say(a, b, 10, 'PORT 192,0,2,1,4,5\r\n'));
    const { expectations } = await runKernel(forward(packets, { rules }));
    expect(expectations).toMatchObject([
      {
        protocol: 6,
        helper: 'ftp',
        tuple: { destination: { address: '192.0.2.1', port: 4 * 256 + 5 } },
        master: { destination: { port: 21 } },
      },
    ]);
  });
});
