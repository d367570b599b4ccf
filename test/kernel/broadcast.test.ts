/** What the host broadcasts comes back to it, as a copy with fates of its own: judged by the running kernel. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { udpDatagram, usualPacket } from '../../src/fuzz/build-packet.ts';
import { buildHost } from '../../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../../src/model/profile.ts';
import type { Frame } from '../../src/model/witness.ts';
import { parseSave } from '../../src/syntax/index.ts';
import { SEED } from '../seed.ts';
import { differences } from './differential.ts';
import { describeKernel } from './machine.ts';
import { WITNESSES } from './witnesses.ts';

const HOST = buildHost({
  addresses: [
    { ifname: 'eth0', addr_info: [{ family: 'inet', local: '192.0.2.1', prefixlen: 24 }] },
    { ifname: 'eth1', addr_info: [{ family: 'inet', local: '198.51.100.1', prefixlen: 24 }] },
  ],
  routes: [[{ dst: 'default', dev: 'eth1' }]],
});
const OWN = ['192.0.2.1', '198.51.100.1'];
const TO = ['192.0.2.255', '198.51.100.255', '255.255.255.255', '192.0.2.9', '224.0.0.1', '239.1.2.3'];

/** From each address to each, by each device, twice: the second of a flow finds what the first left. */
const FRAMES: Frame[] = [0, 1].flatMap(() =>
  ['eth0', 'eth1'].flatMap((device, at) =>
    OWN.flatMap((source) => TO.map((destination) => datagram(source, destination, device, at))),
  ),
);

function datagram(source: string, destination: string, device: string, at: number): Frame {
  const bytes = usualPacket({ family: 4, source, destination, protocol: 17 }, udpDatagram(1000 + at, 53, 4));
  return { time: 0n, linktype: 101, bytes, wire: bytes.length, interfaceName: device, direction: 'out' };
}

const CHAINS: Record<string, readonly string[]> = {
  raw: ['PREROUTING', 'OUTPUT'],
  mangle: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
  filter: ['INPUT', 'OUTPUT'],
  security: ['INPUT', 'OUTPUT'],
};
const match = fc.constantFrom(
  '-d 192.0.2.255/32',
  '-d 255.255.255.255/32',
  '-s 198.51.100.1/32',
  '-m pkttype --pkt-type broadcast',
  '-m pkttype --pkt-type unicast',
  '-m conntrack --ctstate NEW',
  '-m conntrack --ctstate INVALID',
  '-m conntrack --ctstate UNTRACKED',
  '-m conntrack --ctstatus CONFIRMED',
  '-m mark --mark 0x1',
  '-m addrtype --dst-type BROADCAST',
  '-m mac --mac-source 02:00:00:00:00:01',
);

function target(table: string): fc.Arbitrary<string> {
  const counted = ['', '', '', ' -j ACCEPT'];
  if (table === 'raw') return fc.constantFrom(...counted, ' -j DROP', ' -j CT --notrack');
  if (table === 'mangle')
    return fc.constantFrom(...counted, ' -j DROP', ' -j MARK --set-xmark 0x1/0x1', ' -j MARK --set-xmark 0x0/0x1');
  return fc.constantFrom(...counted, ...(table === 'nat' ? [] : [' -j DROP']));
}

/** Every chain there is, each with some rules. */
const tables = fc.tuple(
  ...Object.entries(CHAINS).map(([table, chains]) =>
    fc
      .tuple(
        ...chains.map((chain) =>
          fc.array(
            fc.tuple(match, target(table)).map(([what, then]) => `-A ${chain} ${what}${then}`),
            { maxLength: 3 },
          ),
        ),
      )
      .map((rules) => [`*${table}`, ...chains.map((chain) => `:${chain} ACCEPT [0:0]`), ...rules.flat(), 'COMMIT'].join('\n')),
  ),
);

/** mac is for PREROUTING, INPUT and FORWARD only. */
const usable = (rules: string): boolean => !/-A (OUTPUT|POSTROUTING) -m mac/.test(rules);

const ruleSets = tables.map((all) => `${all.join('\n')}\n`).filter(usable);

describeKernel('broadcasts of this host', () => {
  for (const [index, rules] of fc.sample(ruleSets, { seed: SEED, numRuns: 24 }).entries()) {
    const backend = index % 2 === 0 ? 'legacy' : 'nft';
    test(`as the kernel (seed ${SEED}, ${index}, ${backend})`, { timeout: 60_000 }, async () => {
      const found = await differences(backend, { rules: { 4: rules }, host: HOST, frames: FRAMES }, WITNESSES);
      for (const [witness, lines] of found) expect.soft(lines.slice(0, 6), `${witness}\n${rules}`).toEqual([]);
    });
  }

  test('the rule that decided is that of the packet, not of its copy', async () => {
    const rules = '*filter\n:INPUT DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 192.0.2.255/32 -j ACCEPT\nCOMMIT\n';
    const job = { rules: { 4: parseSave(rules, { file: 'rules', family: 4 }) }, host: HOST, profile: DEFAULT_PROFILE };
    for (const witness of WITNESSES) {
      const { outcomes, result } = await witness.replay({ ...job, packets: { path: true } }, [FRAMES[0]!]);
      expect(outcomes[0], witness.name).toMatchObject({
        hook: 'OUTPUT',
        verdict: 'ACCEPT',
        rule: 'filter:OUTPUT:rule:1',
        path: ['filter:OUTPUT:rule:1', 'filter:INPUT:policy:1'],
      });
      expect(result.verdicts, witness.name).toEqual({ ACCEPT: 1, DROP: 0, REJECT: 0, STACK: 0 });
    }
  });
});
