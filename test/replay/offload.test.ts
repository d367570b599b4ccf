/** Checksums that devices were to make, and packets that the kernel has as several. Recorded from real iptables, of both backends, on devices that do so and on such that do not (offload/record.sh). */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { buildHost } from '../../src/model/host-build.ts';
import { OffloadGuess } from '../../src/replay/offload.ts';
import { command } from '../cli/command.ts';
import { Recorded, tablesOf } from './recorded.ts';

const FOLDER = new Recorded('offload/', 'legacy.pcap');
const ROUTER = [
  ...['--addr', FOLDER.path('addr.json'), '--route', FOLDER.path('route.json'), '--route', FOLDER.path('route6.json')],
  ...['--rules6', FOLDER.path('rules.v6'), '--format', 'iptables-save'],
];
const replayed = (name: string, backend: string, more: readonly string[]) =>
  command(['replay', '-R', FOLDER.path('rules.v4'), '-r', FOLDER.path(`${name}.pcap`), '--backend', backend, ...ROUTER, ...more]);
const real = (name: string): string[] =>
  tablesOf([`${name}.v4`, `${name}.v6`].map((file) => readFileSync(FOLDER.path(file), 'utf8')).join(''));
const invalid = (saved: string): number[] =>
  [...saved.matchAll(/^\[(\d+):\d+\] -A FORWARD -m conntrack --ctstate INVALID/gm)].map(([, packets]) => Number(packets));

describe.each(['legacy', 'nft'] as const)('%s', (backend) => {
  describe.each(['wasm', 'reference'] as const)('%s', (engine) => {
    test('devices make them: nothing is INVALID, and nothing too big', async () => {
      const { stdout, stderr } = await replayed(backend, backend, ['--engine', engine]);
      expect(tablesOf(stdout)).toEqual(real(backend));
      expect(stderr).toMatch(/^note: packets of \S+ and \d more came in with TCP or UDP checksums that a device was to make/);
    });

    test('a wire: the one unfinished checksum of each family is wrong, and told', async () => {
      const { stdout, stderr } = await replayed(`wire.${backend}`, backend, ['--engine', engine]);
      expect(tablesOf(stdout)).toEqual(real(`wire.${backend}`));
      expect(invalid(stdout)).toEqual([1, 1]);
      expect(stderr).toMatch(/^note: 2 packets with a bad checksum/);
    });

    test('the option comes before the guess', async () => {
      const offload = await replayed(`wire.${backend}`, backend, ['--engine', engine, '--checksums', 'offload']);
      expect(invalid(offload.stdout)).toEqual([0, 0]);
      const wire = await replayed(backend, backend, ['--engine', engine, '--checksums', 'wire']);
      for (const packets of invalid(wire.stdout)) expect(packets).toBeGreaterThan(0);
      expect(wire.stderr).toMatch(/packets with a bad checksum: --checksums offload/);
    });
  });
});

/**
 * Seven packets of a masquerading router (virtual devices, tcpdump -i any), whose kernel forwarded them: behind the copy of a datagram that came in parts, the engine took unfinished checksums for wrong.
 */
test.each([['wasm'], ['wasm', '--jobs', '2'], ['reference']])(
  'what was put together and is a copy is forgotten: %s %s %s',
  async (...engine) => {
    const folder = new Recorded('copy-of-a-datagram/', 'capture.pcap');
    const { stdout } = await command([
      ...[
        'replay',
        '-R',
        folder.path('rules.v4'),
        '-r',
        folder.path('capture.pcap'),
        '--checksums',
        'offload',
        '--verdicts',
        '-',
      ],
      ...['--addr', folder.path('addr.json'), '--route', folder.path('route.json'), '--engine', ...engine],
    ]);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ ctstate }) => ctstate)).not.toContain('INVALID');
    expect(lines.at(-1)).toMatchObject({ packet: 7, hook: 'FORWARD', verdict: 'ACCEPT', ctstate: 'NEW' });
  },
);

describe('the guess', () => {
  const host = buildHost({ local: ['10.0.0.2'], in: 'eth0' });
  /** UDP from an address to the host, the checksum unfinished or not, and so many bytes. */
  const datagram = (source: number, unfinished: boolean, length = 32) => {
    const packet = Buffer.alloc(length);
    packet.set([0x45, 0, length >> 8, length & 255, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, source, 10, 0, 0, 2]);
    packet.set([0, 9, 0, 9, (length - 20) >> 8, (length - 20) & 255], 20);
    packet.writeUInt16BE(unfinished ? 0x0a00 + source + 0x0a00 + 2 + 17 + (length - 20) : 1, 26);
    return { bytes: new Uint8Array(packet), linktype: 101, time: 0n, wire: length };
  };
  const senders = (...frames: ReturnType<typeof datagram>[]): string[] => {
    const guess = new OffloadGuess(host);
    for (const frame of frames) guess.see(frame);
    return guess.senders;
  };

  test('two of a sender, and no more that are finished', () => {
    expect(senders(datagram(9, true), datagram(9, true), datagram(9, false))).toEqual(['10.0.0.9']);
    expect(senders(datagram(9, true), datagram(9, true), datagram(9, false), datagram(9, false))).toEqual([]);
    expect(senders(datagram(9, true), datagram(8, true))).toEqual([]);
  });

  test('one that no wire brings', () => {
    expect(senders(datagram(9, true, 3000), datagram(9, false), datagram(9, false))).toEqual(['10.0.0.9']);
    expect(senders(datagram(9, true, 1500))).toEqual([]);
  });

  test('what the host itself sends says nothing', () => {
    expect(senders(datagram(2, true), datagram(2, true, 3000))).toEqual([]);
  });
});
