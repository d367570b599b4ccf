/** Sockets that TPROXY gives packets to, and marks that make packets local: how they are written, and that reference and engine take them alike. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { casesOf } from '../../../src/fuzz/arbitrary.ts';
import { captureOf } from '../../../src/fuzz/case.ts';
import { ask, differences, jobOf } from '../../../src/fuzz/differential.ts';
import { PROGRAMS } from '../../../src/fuzz/witness.ts';
import { HostError } from '../../../src/model/errors.ts';
import { buildHost } from '../../../src/model/host-build.ts';
import type { Family, RuleSet } from '../../../src/model/ruleset.ts';
import { parseSave } from '../../../src/syntax/index.ts';
import { SEED } from '../../seed.ts';

describe('as they are given', () => {
  it('sockets have a protocol, a port and perhaps an address', () => {
    const proxies = ['tcp:3129', 'udp:10.0.0.1:53', 'tcp:[2001:db8::1]:80', 'udp:0.0.0.0:5'];
    expect(buildHost({ local: ['10.0.0.1'], proxies }).proxies).toEqual([
      { protocol: 6, port: 3129 },
      { protocol: 17, family: 4, address: [0x0a000001], port: 53 },
      { protocol: 6, family: 6, address: [0x20010db8, 0, 0, 1], port: 80 },
      { protocol: 17, port: 5 },
    ]);
  });

  it.each([
    'tcp',
    'tcp:',
    'tcp:0',
    'tcp:65536',
    'icmp:5',
    'tcp:10.0.0:80',
    'tcp:2001:db8::1:80',
    'udp:[10.0.0.1]:80',
    'tcp:[x]:80',
    '',
  ])('--proxy %j is none', (text) => {
    expect(() => buildHost({ proxies: [text] })).toThrow(HostError);
    expect(() => buildHost({ proxies: [text] })).toThrow(/^--proxy wants tcp:PORT/);
  });

  it('marks have a value and perhaps a mask', () => {
    expect(buildHost({ localMark: '0x11/0x10' }).localMark).toEqual({ value: 0x10, mask: 0x10 });
    expect(buildHost({ localMark: '5' }).localMark).toEqual({ value: 5, mask: 0xffffffff });
    for (const text of ['', 'x', '1/2/3', '0x100000000', '1/'])
      expect(() => buildHost({ localMark: text })).toThrow(/^--local-mark/);
  });
});

/** Rules for each of which there are packets that it is about, in the order they are drawn. */
const LINES: Readonly<Record<string, readonly string[]>> = {
  raw: ['-A PREROUTING -p udp -j MARK --set-mark 3', '-A PREROUTING -m ttl --ttl-gt 100 -j MARK --set-mark 1'],
  mangle: [
    '-A PREROUTING -p tcp -m tcp --dport 80 -j TPROXY --on-port 80 --tproxy-mark 0x1/0x1',
    '-A PREROUTING -p tcp -j TPROXY --on-port 443',
    '-A PREROUTING -p udp -j TPROXY --on-port 0 --tproxy-mark 0x3/0x1',
    '-A PREROUTING -p tcp -m mark --mark 1 -j TPROXY --on-port 22 --tproxy-mark 0x2/0x2',
    '-A PREROUTING -p icmp -j MARK --xor-mark 1',
    '-A PREROUTING -m mark --mark 1 -j DROP',
    '-A PREROUTING -p udp -j TPROXY --on-port 9',
  ],
  nat: ['-A PREROUTING -p tcp -m tcp --dport 22 -j REDIRECT --to-ports 80'],
  filter: ['-A INPUT -m mark --mark 1', '-A FORWARD -m mark --mark 1', '-A INPUT -p udp -j REJECT'],
};

function drawn(family: Family, random: (line: string) => boolean): RuleSet {
  const tables = Object.entries(LINES).map(([name, lines]) => {
    const taken = lines
      .filter(random)
      .map((line) => (family === 4 ? line : line.replace('-m ttl --ttl', '-m hl --hl').replace('-p icmp', '-p icmpv6')));
    return [`*${name}`, ...taken, 'COMMIT', ''].join('\n');
  });
  return parseSave(tables.join(''), { file: 'drawn', family });
}

describe(`reference and engine, seed ${SEED}`, () => {
  it('answer alike', { timeout: 240_000 }, async () => {
    const cases = casesOf({ packets: 60, judge: 'software', only: ['mark'] }, SEED, 40);
    const coins = fc.sample(fc.infiniteStream(fc.boolean()), { seed: SEED, numRuns: 1 })[0]!;
    const reached = { local: 0, elsewhere: 0 };
    const proxies = [22, 53, 80, 443].flatMap((port) => [6 as const, 17 as const].map((protocol) => ({ protocol, port })));
    for (const one of cases) {
      const rules = { 4: drawn(4, () => coins.next().value), 6: drawn(6, () => coins.next().value) };
      const job = { ...jobOf(one), rules };
      const told = { ...job, host: { ...job.host, proxies, localMark: { value: 1, mask: 1 } } };
      const capture = captureOf(one);
      const reference = await ask(PROGRAMS.reference!, told, capture);
      for (const name of ['engine', 'linear', 'debug'])
        expect(differences(reference, await ask(PROGRAMS[name]!, told, capture)), `${name}: ${printRules(rules)}`).toEqual([]);
      reached.elsewhere += reference.result.stack['given to a proxy, but not routed to this host'] ?? 0;
      const without = await ask(PROGRAMS.reference!, { ...job, host: { ...job.host, proxies } }, capture);
      reached.local += Math.max(0, reference.result.hooks.INPUT - without.result.hooks.INPUT);
    }
    expect(reached.local).toBeGreaterThan(20);
    expect(reached.elsewhere).toBeGreaterThan(20);
  });
});

const printRules = (rules: Readonly<Record<number, RuleSet>>): string =>
  Object.values(rules)
    .map((half) => half.tables.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules.map(({ text }) => text))).join('\n'))
    .join('\n');
