/** The oracle judged by hand-computed expectations: two backends, two families, both topologies. */
import { expect, test } from 'vitest';
import { comparedKernel, compareOutcomes, type KernelFrame, type KernelJob, runKernel } from '../../src/kernel/index.ts';
import type { Family } from '../../src/model/ruleset.ts';
import { describeKernel } from './machine.ts';
import { ACK, ip, ping, SYN, tcp, udp } from './packets.ts';

const BACKENDS = ['legacy', 'nft'] as const;
const CASES = BACKENDS.flatMap((backend) => ([4, 6] as const).map((family) => ({ backend, family })));

const A = { 4: '192.0.2.1', 6: '2001:db8::1' };
const B = { 4: '198.51.100.2', 6: '2001:db8:1::2' };
/** IP length of a TCP segment without data, of a datagram of 4 bytes, of an echo request of 8. */
const SIZE = { 4: { tcp: 40, udp: 32, ping: 28 }, 6: { tcp: 60, udp: 52, ping: 48 } };

function arriving(bytes: Uint8Array, more: Partial<KernelFrame> = {}): KernelFrame {
  return { time: 0n, bytes, direction: 'in', ...more };
}

function leaving(bytes: Uint8Array): KernelFrame {
  return { time: 0n, bytes, direction: 'out' };
}

function icmp(family: Family): string {
  return family === 4 ? '-p icmp' : '-p ipv6-icmp';
}

function job(backend: KernelJob['backend'], family: Family, rules: string, frames: KernelFrame[]): KernelJob {
  return { backend, family, rules, frames, topology: 'forward', trace: true };
}

const FORWARD = (family: Family) => `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:web - [0:0]
-A FORWARD -p tcp -j web
-A FORWARD -p udp -m udp --dport 53 -j REJECT
-A FORWARD ${icmp(family)}
-A web -p tcp -m tcp --dport 80 -j ACCEPT
-A web -p tcp -m tcp --dport 81 -j RETURN
COMMIT
`;

describeKernel('kernel oracle', () => {
  test.each(CASES)('$backend IPv$family forward: counters, path, verdict, bytes that left', async ({ backend, family }) => {
    const [a, b] = [A[family], B[family]];
    const size = SIZE[family];
    const frames = [
      tcp(`${a} 1000`, `${b} 80`, SYN),
      tcp(`${a} 1000`, `${b} 81`, SYN),
      tcp(`${a} 1000`, `${b} 82`, SYN),
      udp(`${a} 1000`, `${b} 53`),
      ping(a, b),
    ].map((bytes) => arriving(bytes));
    const outcome = await runKernel(job(backend, family, FORWARD(family), frames));
    expect(outcome.refused).toBeUndefined();
    const chains = outcome.counters.filter;
    expect(chains?.FORWARD).toEqual({
      policy: 'DROP',
      packets: 3,
      bytes: 2 * size.tcp + size.ping,
      rules: [
        { packets: 3, bytes: 3 * size.tcp },
        { packets: 1, bytes: size.udp },
        { packets: 1, bytes: size.ping },
      ],
    });
    expect(chains?.web?.rules).toEqual([
      { packets: 1, bytes: size.tcp },
      { packets: 1, bytes: size.tcp },
    ]);
    expect(chains?.INPUT).toEqual({ policy: 'ACCEPT', packets: 0, bytes: 0, rules: [] });
    expect(outcome.packets.map((packet) => packet.path?.join(' '))).toEqual([
      'filter:FORWARD:rule:1 filter:web:rule:1',
      'filter:FORWARD:rule:1 filter:web:rule:2 filter:FORWARD:policy:4',
      'filter:FORWARD:rule:1 filter:web:return:3 filter:FORWARD:policy:4',
      'filter:FORWARD:rule:2',
      'filter:FORWARD:rule:3 filter:FORWARD:policy:4',
    ]);
    expect(outcome.packets.map((packet) => packet.verdict)).toEqual(['ACCEPT', 'DROP', 'DROP', 'REJECT', 'DROP']);
    expect(outcome.packets.map((packet) => packet.hook)).toEqual(new Array(5).fill('FORWARD'));
    const left = frames[0]?.bytes.slice() ?? new Uint8Array();
    const ttl = family === 4 ? 8 : 7;
    left[ttl] = 63;
    if (family === 4) left[10] = (left[10] ?? 0) + 1;
    expect(outcome.packets.map((packet) => packet.left.length)).toEqual([1, 0, 0, 0, 0]);
    expect(Buffer.from(outcome.packets[0]?.left[0] ?? []).toString('hex')).toBe(Buffer.from(left).toString('hex'));
    expect(outcome.conntrack.trim()).toBe('');
  });

  test.each(CASES)(
    '$backend IPv$family host: in and out in their order, connection by connection',
    async ({ backend, family }) => {
      const [a, b] = [A[family], B[family]];
      const size = SIZE[family].tcp;
      const frames: KernelFrame[] = [];
      for (let port = 1000; port < 1040; port++) {
        frames.push(arriving(tcp(`${a} ${port}`, `${b} 22`, SYN)));
        frames.push(leaving(tcp(`${b} 22`, `${a} ${port}`, SYN | ACK, 5000, 1001)));
        frames.push(arriving(tcp(`${a} ${port}`, `${b} 22`, ACK, 1001, 5001)));
      }
      const rules = `*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A INPUT -i wan0 -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m conntrack --ctstate NEW -j ACCEPT
-A OUTPUT -o wan0 -m conntrack --ctstate ESTABLISHED -j ACCEPT
COMMIT
`;
      const host = { ...job(backend, family, rules, frames), topology: 'host' as const, local: [b], inIface: 'wan0' };
      const outcome = await runKernel(host);
      const forty = { packets: 40, bytes: 40 * size };
      expect(outcome.counters.filter?.INPUT).toEqual({ policy: 'DROP', packets: 0, bytes: 0, rules: [forty, forty] });
      expect(outcome.counters.filter?.OUTPUT).toEqual({ policy: 'DROP', packets: 0, bytes: 0, rules: [forty] });
      expect(outcome.conntrack.match(/ESTABLISHED.*\[ASSURED\]/g)?.length).toBe(40);
      const three = outcome.packets.slice(3, 6);
      expect(three.map((packet) => packet.path)).toEqual([
        ['filter:INPUT:rule:2'],
        ['filter:OUTPUT:rule:1'],
        ['filter:INPUT:rule:1'],
      ]);
      expect(three.map((packet) => packet.hook)).toEqual(['INPUT', 'OUTPUT', 'INPUT']);
      expect(new Set(outcome.packets.map((packet) => packet.verdict))).toEqual(new Set(['ACCEPT']));
      const sent = Buffer.from(frames[1]?.bytes ?? []).toString('hex');
      expect(three[1]?.left.length).toBe(1);
      expect(Buffer.from(outcome.packets[1]?.left[0] ?? []).toString('hex')).toBe(sent);
    },
  );

  test.each(CASES)('$backend IPv$family: the host answers nothing by itself', async ({ backend, family }) => {
    const [a, b] = [A[family], B[family]];
    const frames = [tcp(`${a} 1`, `${b} 80`, SYN), udp(`${a} 1`, `${b} 9`), ping(a, b), tcp(`${a} 2`, `${b} 81`, SYN)];
    const rules = `*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -p tcp -m tcp --dport 81 -j REJECT --reject-with tcp-reset
-A INPUT -m conntrack --ctstate NEW
COMMIT
`;
    const host = {
      ...job(
        backend,
        family,
        rules,
        frames.map((bytes) => arriving(bytes)),
      ),
      topology: 'host' as const,
      local: [b],
    };
    const outcome = await runKernel(host);
    expect(outcome.counters.filter?.INPUT?.rules.map((rule) => rule.packets)).toEqual([1, 3]);
    expect(outcome.counters.raw?.OUTPUT?.packets).toBe(0);
    expect(outcome.counters.filter?.OUTPUT?.packets).toBe(0);
    expect(outcome.conntrack).toMatch(/SYN_SENT .*dport=80 \[UNREPLIED\]/);
    expect(outcome.conntrack.match(/\[UNREPLIED\]/g)?.length).toBe(3);
    expect(outcome.packets.flatMap((packet) => packet.left)).toEqual([]);
  });

  test.each(CASES)('$backend IPv$family: tracing changes no counter', async ({ backend, family }) => {
    const [a, b] = [A[family], B[family]];
    const rules = `*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p tcp
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -j MARK --set-mark 7
-A POSTROUTING -m mark --mark 7
COMMIT
${FORWARD(family)}`;
    const frames = [80, 81, 82, 80].map((port) => arriving(tcp(`${a} 1000`, `${b} ${port}`, SYN)));
    const traced = await runKernel(job(backend, family, rules, frames));
    const plain = await runKernel({ ...job(backend, family, rules, frames), trace: false });
    expect(plain.counters).toEqual(traced.counters);
    expect(plain.counters.mangle?.POSTROUTING?.rules).toEqual([{ packets: 2, bytes: 2 * SIZE[family].tcp }]);
    expect(plain.packets[0]?.path).toBeUndefined();
    expect(traced.packets[0]?.path).toEqual([
      'raw:PREROUTING:rule:1',
      'raw:PREROUTING:policy:2',
      'mangle:PREROUTING:rule:1',
      'mangle:PREROUTING:policy:2',
      'mangle:FORWARD:policy:1',
      'filter:FORWARD:rule:1',
      'filter:web:rule:1',
      'mangle:POSTROUTING:rule:1',
      'mangle:POSTROUTING:policy:2',
    ]);
  });

  test.each(BACKENDS)('%s: every record goes to its own packet', async (backend) => {
    const ports = Array.from({ length: 300 }, (_, i) => 1 + ((i * 37) % 50));
    const lines = Array.from({ length: 50 }, (_, i) => `-A FORWARD -p udp -m udp --dport ${i + 1} -j ACCEPT\n`);
    const rules = `*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n${lines.join('')}COMMIT\n`;
    const frames = ports.map((port) => arriving(udp(`${A[4]} 99`, `${B[4]} ${port}`)));
    const outcome = await runKernel(job(backend, 4, rules, frames));
    expect(outcome.packets.map((packet) => packet.path)).toEqual(ports.map((port) => [`filter:FORWARD:rule:${port}`]));
    expect(outcome.packets.every((packet) => packet.left.length === 1)).toBe(true);
  });

  test('the two backends are what they are called: a later fragment that looks like --dport 22', async () => {
    const payload = Buffer.from(tcp(`${A[4]} 22`, `${B[4]} 22`, SYN).subarray(20));
    const frames = [arriving(ip(A[4], B[4], 6, payload, -1, { fragment: 100 }))];
    const rules =
      '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD -p tcp --dport 22\n-A FORWARD -f\nCOMMIT\n';
    const legacy = await runKernel(job('legacy', 4, rules, frames));
    const nft = await runKernel(job('nft', 4, rules, frames));
    expect(legacy.counters.filter?.FORWARD?.rules.map((rule) => rule.packets)).toEqual([0, 1]);
    expect(nft.counters.filter?.FORWARD?.rules.map((rule) => rule.packets)).toEqual([1, 1]);
    expect(legacy.kernel.iptables).toContain('legacy');
    expect(nft.kernel.iptables).toContain('nf_tables');
  });

  test.each(BACKENDS)('%s: what the stack drops, and why the marks know', async (backend) => {
    const rules = '*raw\n:PREROUTING DROP\n:OUTPUT ACCEPT\n-A PREROUTING ! -d 198.51.100.99 -j ACCEPT\nCOMMIT\n';
    const broken = tcp(`${A[4]} 1`, `${B[4]} 80`, SYN);
    broken[10] = (broken[10] ?? 0) ^ 1;
    const frames = [
      arriving(ping(A[4], B[4], 1)),
      arriving(ping('127.0.0.1', B[4])),
      arriving(broken),
      arriving(ping(A[4], B[4]), { dstMacKind: 'other' }),
      arriving(ping(A[4], '198.51.100.99')),
      arriving(new Uint8Array(0)),
      arriving(ping(A[4], B[4])),
    ];
    const { packets, counters } = await runKernel(job(backend, 4, rules, frames));
    expect(packets.map((packet) => packet.verdict)).toEqual([
      'STACK',
      'STACK',
      undefined,
      undefined,
      'DROP',
      undefined,
      'ACCEPT',
    ]);
    expect(packets.map((packet) => packet.entered)).toEqual([true, true, false, false, true, false, true]);
    expect(counters.raw?.PREROUTING?.rules).toEqual([{ packets: 3, bytes: 84 }]);
    expect(counters.raw?.PREROUTING?.packets).toBe(1);
  });

  test.each(BACKENDS)('%s: link-layer kind and source', async (backend) => {
    const rules = `*filter
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
-A INPUT -m pkttype --pkt-type broadcast
-A INPUT -m pkttype --pkt-type multicast
-A INPUT -m pkttype --pkt-type unicast
-A INPUT -m mac --mac-source 00:11:22:33:44:55
COMMIT
`;
    const to = (address: string, more: Partial<KernelFrame>) => arriving(udp(`${A[4]} 5`, `${address} 6`), more);
    const frames = [
      to('198.51.100.255', { dstMacKind: 'broadcast' }),
      to('224.0.0.1', { dstMacKind: 'multicast' }),
      to(B[4], { srcMac: '00:11:22:33:44:55' }),
    ];
    const host = { ...job(backend, 4, rules, frames), topology: 'host' as const, local: [`${B[4]}/24`] };
    const outcome = await runKernel(host);
    expect(outcome.counters.filter?.INPUT?.rules.map((rule) => rule.packets)).toEqual([1, 1, 1, 1]);
    expect(outcome.packets[2]?.path).toEqual(['filter:INPUT:rule:3', 'filter:INPUT:rule:4', 'filter:INPUT:policy:5']);
  });

  test.each(BACKENDS)('%s: both families at once, and a packet over lo', async (backend) => {
    const rules =
      '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD\n-A INPUT -i lo\n-A OUTPUT -o lo\nCOMMIT\n';
    const frames = [arriving(ping(A[4], B[4])), arriving(ping(A[6], B[6])), leaving(udp('127.0.0.1 5', '127.0.0.1 6'))];
    const outcome = await runKernel({
      ...job(backend, 4, rules, frames),
      rulesOther: rules,
      topology: 'host',
      local: ['10.0.0.1'],
    });
    expect(outcome.counters.filter?.FORWARD?.rules).toEqual([{ packets: 1, bytes: 28 }]);
    expect(outcome.countersOther?.filter?.FORWARD?.rules).toEqual([{ packets: 1, bytes: 48 }]);
    expect(outcome.packets[2]?.path).toEqual([
      'filter:OUTPUT:rule:1',
      'filter:OUTPUT:policy:2',
      'filter:INPUT:rule:1',
      'filter:INPUT:policy:2',
    ]);
    expect(outcome.packets.map((packet) => packet.verdict)).toEqual(['ACCEPT', 'ACCEPT', 'ACCEPT']);
  });

  test.each(BACKENDS)('%s: NAT: rewritten bytes leave, nat rules see the first packet only', async (backend) => {
    const rules = `*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p udp -m udp --dport 53 -j DNAT --to-destination 10.9.8.7:5353
-A POSTROUTING -o eth1 -j SNAT --to-source 203.0.113.5
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A FORWARD -d 10.9.8.7/32 -p udp -m udp --dport 5353
COMMIT
`;
    const query = udp(`${A[4]} 4000`, `${B[4]} 53`);
    const outcome = await runKernel(job(backend, 4, rules, [arriving(query), arriving(query)]));
    expect(outcome.counters.nat?.PREROUTING?.rules).toEqual([{ packets: 1, bytes: 32 }]);
    expect(outcome.counters.nat?.POSTROUTING?.rules).toEqual([{ packets: 1, bytes: 32 }]);
    expect(outcome.packets.map((packet) => packet.path)).toEqual([
      ['nat:PREROUTING:rule:1', 'filter:FORWARD:rule:1', 'filter:FORWARD:policy:2', 'nat:POSTROUTING:rule:1'],
      ['filter:FORWARD:rule:1', 'filter:FORWARD:policy:2'],
    ]);
    for (const { left } of outcome.packets) {
      const bytes = Buffer.from(left[0] ?? []);
      expect(bytes.subarray(12, 20).toString('hex')).toBe('cb0071050a090807');
      expect([bytes.readUInt16BE(20), bytes.readUInt16BE(22)]).toEqual([4000, 5353]);
    }
  });

  test('the words of the legacy kernel: a verdict without conditions is called policy or return', async () => {
    const rules = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:one - [0:0]
:two - [0:0]
-A FORWARD -j one
-A FORWARD -g two
-A FORWARD
-A one -j RETURN
-A one
-A two -p udp -m udp --dport 1 -j RETURN
-A two -j DROP
COMMIT
`;
    const frames = [1, 2].map((port) => arriving(udp(`${A[4]} 9`, `${B[4]} ${port}`)));
    const legacy = await runKernel(job('legacy', 4, rules, frames));
    const nft = await runKernel(job('nft', 4, rules, frames));
    expect(legacy.packets.map((packet) => packet.path?.join(' '))).toEqual([
      'filter:FORWARD:rule:1 filter:one:return:1 filter:FORWARD:rule:2 filter:two:rule:1 filter:FORWARD:policy:4',
      'filter:FORWARD:rule:1 filter:one:return:1 filter:FORWARD:rule:2 filter:two:return:2',
    ]);
    expect(
      compareOutcomes(comparedKernel({ backend: 'legacy', rules }, legacy), comparedKernel({ backend: 'nft', rules }, nft)),
    ).toEqual([]);
    expect(legacy.packets.map((packet) => packet.verdict)).toEqual(['ACCEPT', 'DROP']);
  });

  test.each(BACKENDS)('%s: spacing real keeps the times of the capture, topspeed does not', async (backend) => {
    const limit = '-m limit --limit 10/second --limit-burst 1';
    const rules = `*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD ${limit}\nCOMMIT\n`;
    const frames = [0n, 200n, 400n].map((ms) => ({ ...arriving(ping(A[4], B[4])), time: 1_000_000_000n + ms * 1_000_000n }));
    const fast = await runKernel(job(backend, 4, rules, frames));
    const slow = await runKernel({ ...job(backend, 4, rules, frames), spacing: 'real' });
    expect(fast.counters.filter?.FORWARD?.rules[0]?.packets).toBe(1);
    expect(slow.counters.filter?.FORWARD?.rules[0]?.packets).toBe(3);
    const gap = Number((slow.packets[2]?.injected ?? 0n) - (slow.packets[0]?.injected ?? 0n)) / 1e6;
    expect(gap).toBeGreaterThan(390);
  });

  test.each(BACKENDS)('%s: sysctls of the job are in force', async (backend) => {
    const rules = '*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A FORWARD -m conntrack --ctstate NEW\nCOMMIT\n';
    const frames = [arriving(udp(`${A[4]} 1`, `${B[4]} 2`))];
    const sysctls = { 'net.netfilter.nf_conntrack_udp_timeout': '4000' };
    const outcome = await runKernel({ ...job(backend, 4, rules, frames), sysctls });
    expect(outcome.conntrack).toMatch(/udp +17 (4000|399\d) /);
  });
});
