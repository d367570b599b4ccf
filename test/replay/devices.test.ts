/** Captures of "any" name devices by number (SLL2): a real one of a router with two ways out (two-wans/record.sh), held against its own iptables. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { writePcap } from '../../src/capture/writer.ts';
import { buildHost, type HostGiven } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Job } from '../../src/model/witness.ts';
import { prepare } from '../../src/replay/replay.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { concat, describe_, enhanced, option, section } from '../capture/build.ts';
import { feed } from '../capture/read.ts';
import { command } from '../cli/command.ts';
import { udp } from '../reference/build.ts';
import { WITNESSES } from '../regressions/witnesses.ts';
import { Recorded, tablesOf } from './recorded.ts';

const RECORDED = new Recorded('two-wans/', 'any.pcap');
const ADDRESSES = RECORDED.json('addr.json');
const ROUTER: HostGiven = { addresses: ADDRESSES, routes: [RECORDED.json('route.json')] };
const COUNTED = RECORDED.counted();
const reports = (given: HostGiven) => RECORDED.reports(given);
const FILES = ['addr', 'route'].flatMap((name) => [`--${name}`, RECORDED.path(`${name}.json`)]);

test('every packet has the device of its header: the counters of the real router', async () => {
  for (const report of await reports(ROUTER)) {
    expect(RECORDED.tables(report)).toEqual(COUNTED);
    expect(report.notes).toEqual([]);
  }
});

test('threads, too', async () => {
  const rules = ['-R', RECORDED.path('rules.v4'), '--rules6', RECORDED.path('rules.v6'), '-r', RECORDED.capture];
  const { stdout } = await command(['replay', ...rules, ...FILES, '--jobs', '2', '--format', 'iptables-save']);
  expect(tablesOf(stdout)).toEqual(COUNTED);
});

test('trace tells them', async () => {
  const { stdout } = await command(['trace', '-R', RECORDED.path('rules.v4'), '-r', RECORDED.capture, ...FILES, '--packet', '6']);
  expect(stdout).toMatch(/in wan1/);
});

test('a router of which nothing is known but its devices: packets come in where the capture says, and what leaves is no packet of its own', async () => {
  const rules = COUNTED.find((table) => table.startsWith('*mangle'))!;
  const came = (text: string): string[] => text.match(/^\[.*-A PREROUTING.*$/gm) ?? [];
  expect(came(rules)).toHaveLength(4);
  for (const report of await reports({ addresses: ADDRESSES, forward: true })) {
    expect(came(RECORDED.tables(report).join('\n'))).toEqual(came(rules));
    expect(report.unseen['outgoing copy of a forwarded packet']).toBe(21);
  }
  for (const report of await reports({ addresses: ADDRESSES, forward: true, in: 'wan0', out: 'lan0' })) {
    // All that came in, at one device.
    const packets = (text: string): number[] => came(text).map((line) => Number(line.slice(1).split(':')[0]));
    const all = packets(rules).reduce((sum, count) => sum + count);
    expect(packets(RECORDED.tables(report).join('\n'))).toEqual([0, all, 0, 0]);
    expect(report.unseen['outgoing copy of a forwarded packet']).toBe(21);
  }
});

test('without --addr its numbers are told to have names', async () => {
  const { stdout } = await command(['replay', '-R', RECORDED.path('rules.v4'), '-r', RECORDED.capture, '-q']);
  expect(stdout).toMatch(/host: the capture has packets of 3 devices, by number: "ip -j addr" on that host \(--addr\)/);
});

test('--addr without numbers: told as where there is none, with the remedy', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-devices-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const written = (name: string, list: readonly object[]): string => {
    writeFileSync(join(folder, name), JSON.stringify(list));
    return join(folder, name);
  };
  const hosts = async (addr: string, ...more: string[]): Promise<string[]> => {
    const args = ['-R', RECORDED.path('rules.v4'), '-r', RECORDED.capture, '--addr', addr, '--format', 'json', ...more];
    return (JSON.parse((await command(['replay', ...args])).stdout) as { host: { notes: string[] } }).host.notes;
  };
  const numberless = written(
    'numberless.json',
    ADDRESSES.map(({ ifindex: _, ...rest }) => rest),
  );
  const told = expect.stringMatching(
    /^the capture has packets of 3 devices, by number: --addr has no numbers .*"ip -j addr".*, not "ip -j -br addr"/,
  );
  const routes = ['--route', RECORDED.path('route.json')];
  expect(await hosts(numberless, ...routes)).toEqual([told]);
  expect(await hosts(numberless, '--forward')).toContainEqual(told);
  expect(await hosts(RECORDED.path('addr.json'), ...routes)).toEqual([]);
  // Those say at which device packets are, whatever the capture has.
  expect(await hosts(numberless, '--forward', '--in', 'wan0', '--out', 'lan0')).not.toContainEqual(told);
});

/** SLL2 of device 4, a packet for another host. */
const COOKED = [8, 0, 0, 0, 0, 0, 0, 4, 0, 1, 3, 6, 2, 0, 0, 0, 0, 9, 0, 0];

test('numbers are looked for in all captures', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-devices-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const numberless = ADDRESSES.map(({ ifindex: _, ...rest }) => rest);
  const one = join(folder, 'one.pcap');
  writeFileSync(
    one,
    writePcap([{ time: 0n, bytes: Uint8Array.from([...COOKED, ...udp('198.51.100.10 4000', '192.168.7.10 9')]) }], 276),
  );
  const told = expect.stringMatching(/^the capture has packets of 3 devices, by number/);
  const of = async (captures: readonly string[], given: HostGiven | undefined) => (await prepare(captures, [], given)).host.notes;
  const packed = join(folder, 'packed.pcap.gz');
  writeFileSync(packed, gzipSync(readFileSync(RECORDED.capture)));
  for (const captures of [
    [one, RECORDED.capture],
    [one, packed],
  ])
    for (const given of [{ addresses: numberless }, { forward: true, addresses: numberless }])
      expect(await of(captures, given)).toContainEqual(told);
  expect(await of([one, one], { addresses: numberless })).not.toContainEqual(expect.stringMatching(/by number/));
  // Behind more than is looked at of the first: the guess, too.
  const large = join(folder, 'large.pcap');
  const bytes = Uint8Array.from([...COOKED, ...udp('198.51.100.10 4000', '192.168.7.10 9', { data: 1400 })]);
  writeFileSync(
    large,
    writePcap(
      Array.from({ length: 3500 }, () => ({ time: 0n, bytes })),
      276,
    ),
  );
  for (const given of [undefined, { addresses: numberless }])
    expect(await of([large, RECORDED.capture], given)).toContainEqual(told);
});

describe('numbers that --addr does not have are told once, with the first of them', () => {
  const numberless = ADDRESSES.map(({ ifindex: _, ...rest }) => rest);
  const told = async (without: readonly string[]): Promise<string[][]> => {
    const addresses = ADDRESSES.map((device, index) => (without.includes(String(device.ifname)) ? numberless[index]! : device));
    const notes = (await reports({ ...ROUTER, addresses })).map((report) => report.notes);
    return notes.map((each) => each.filter((note) => /numbers --addr does not have/.test(note)));
  };

  it.each([
    [['wan1'], 6, 2],
    // Packets of lan0 come behind the first of wan1, those of wan0 before it (1 and 2 are ARP).
    [['lan0', 'wan1'], 6, 2],
    [['wan0', 'wan1'], 3, 4],
  ])('%j', async (without, packet, device) => {
    for (const notes of await told(without)) {
      expect(notes).toEqual([
        expect.stringMatching(
          new RegExp(`^\\d+ packets were captured at devices .*\\(the first: packet ${packet}, device ${device}\\)`),
        ),
      ]);
    }
  });

  it('without any number nobody was promised one: no packet is told', async () => {
    for (const { notes } of await reports({ ...ROUTER, addresses: numberless })) expect(notes).toEqual([]);
  });
});

test('what is captured at a port of a bridge is a copy, or was never for the IP stack (bridge/record.sh)', async () => {
  const bridged = new Recorded('bridge/', 'any.pcap');
  const addresses = bridged.json('addr.json');
  const given = { addresses, routes: [bridged.json('route.json')] };
  for (const report of await bridged.reports(given)) {
    expect(bridged.tables(report)).toEqual(bridged.counted());
    expect(report.unseen['copy at a port of a bridge or bond']).toBe(18);
  }
  // Those of a VRF are not: ip -d tells.
  const { interfaces } = buildHost({
    addresses: addresses.map((one) => ({ ...one, linkinfo: { info_slave_kind: one.ifname === 'port1' ? 'vrf' : 'bridge' } })),
  });
  expect(interfaces.filter(({ isPort }) => isPort).map(({ name }) => name)).toEqual(['port2']);
});

describe('"any" is no device', () => {
  const bytes = Uint8Array.from([...COOKED, ...udp('198.51.100.10 4000', '192.168.7.10 9')]);
  const capture = concat(section(), describe_(276, { options: [option(2, Buffer.from('any'))] }), enhanced(bytes));
  const rules = (device: string) =>
    `*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -i ${device} -j ACCEPT\nCOMMIT\n`;
  const job = (device: string, given: HostGiven): Job => ({
    rules: { 4: parseSave(rules(device), { file: 'rules', family: 4 }) },
    host: buildHost(given),
    profile: DEFAULT_PROFILE,
  });

  for (const [name, start] of WITNESSES) {
    // To a router of which only its devices are known, nothing is for another host: whoever captured it may not be the router.
    it.each([
      ['eth0', { forward: true, in: 'eth0', out: 'eth1' }],
      ['wan0', { forward: true, addresses: ADDRESSES }],
    ])(`${name}: %s`, async (device, given) => {
      const session = await start(job(device, given));
      feed(session, capture);
      expect(session.result().verdicts.ACCEPT).toBe(1);
    });
  }
});

describe('at lo, whose packets are both sent and received there, directions say nothing', () => {
  const RULES = '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT DROP [0:0]\n-A OUTPUT -o lo -j ACCEPT\nCOMMIT\n';
  /** SLL2, of a packet that came in; by its number the device is lo, whatever hardware the header names. */
  const cooked = (hardware: readonly number[]): Uint8Array =>
    Uint8Array.from([8, 0, 0, 0, 0, 0, 0, 1, ...hardware, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, ...udp('127.0.0.1 4000', '127.0.0.1 9')]);

  for (const [name, start] of WITNESSES) {
    it.each([
      ['loopback', [3, 4]],
      ['Ethernet', [0, 1]],
      ['none', [0xff, 0xfe]],
    ])(`${name}: %s`, async (_, hardware) => {
      const session = await start({
        rules: { 4: parseSave(RULES, { file: 'rules', family: 4 }) },
        host: buildHost({ addresses: ADDRESSES }),
        profile: DEFAULT_PROFILE,
      });
      feed(session, concat(section(), describe_(276), enhanced(cooked(hardware))));
      const { INPUT, OUTPUT } = session.result().counters[4]!.filter!;
      expect([INPUT!.packets, OUTPUT!.rules[0]!.packets]).toEqual([1, 1]);
    });
  }
});

describe('--addr', () => {
  const device = (ifname: string, ifindex: unknown) => ({ ifname, ifindex, addr_info: [] });

  it('has a number for each device', () => {
    const { interfaces } = buildHost({ addresses: [device('b', 7), device('a', 0x7fffffff)] });
    expect(interfaces.map(({ name, index }) => [name, index])).toEqual([
      ['lo', undefined],
      ['b', 7],
      ['a', 0x7fffffff],
    ]);
  });

  it.each([
    [[device('b', 7), device('a', 7)], '--addr: a: "ifindex" 7 is that of b, too: one file is for one machine'],
    [[device('b', 0)], '--addr: b: "ifindex" wants a number from 1 on, got 0'],
    [[device('b', '7')], '--addr: "ifindex" wants a whole number from 0 to 2147483647, got "7"'],
  ])('%j', (addresses, message) => {
    expect(() => buildHost({ addresses })).toThrow(message);
  });

  it('of "ip -br" has no families: refused', () => {
    const brief = [{ ifname: 'eth0', operstate: 'UP', addr_info: [{ local: '192.0.2.2', prefixlen: 24 }] }];
    const said = { message: '--addr: eth0: an address without "family"', hint: expect.stringContaining('without -br') };
    expect(() => buildHost({ addresses: brief })).toThrow(expect.objectContaining(said));
  });
});
