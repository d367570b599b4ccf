/** For random rules and packets: lower says what evaluate says, and printing loses nothing. */
import { describe, expect, it } from 'vitest';
import {
  RTN_ANYCAST,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTN_UNREACHABLE,
  RTN_UNSPEC,
} from '../../src/abi/fields.ts';
import { evaluateBuiltin, lowerBuiltin } from '../../src/extensions/builtin.ts';
import type { Draw, MatchExtension } from '../../src/extensions/extension.ts';
import { extensions } from '../../src/extensions/index.ts';
import { formatAddress, maskAddress, prefixMask } from '../../src/model/address.ts';
import { RuleError } from '../../src/model/errors.ts';
import type { Test } from '../../src/model/predicate.ts';
import { DEFAULT_PROFILE, type Profile } from '../../src/model/profile.ts';
import type { Builtin, Family, InterfaceMatch, TableName, Words } from '../../src/model/ruleset.ts';
import type { EvaluateContext } from '../../src/packet/view.ts';
import { randomNumbers } from '../../src/reference/random.ts';
import { SEED } from '../seed.ts';
import { interpret, type Surroundings } from './interpret.ts';
import { drawOf, fieldsOf, interfaceId, NO_CONNECTIONS, NO_SETS, POOLS, randomPacket } from './packets.ts';
import { contextOf as parseContextOf, readRule } from './reader.ts';

const RULES = 60;
const PACKETS = 20;
const PROFILES: Profile[] = [
  DEFAULT_PROFILE,
  { ...DEFAULT_PROFILE, hz: 1000 },
  { ...DEFAULT_PROFILE, hz: 100 },
  { ...DEFAULT_PROFILE, backend: 'nft' },
];

/** A host in the small: the same address always has the same type, another one on another device. */
function addressType(_: Family, address: Words, device = ''): number {
  const text = formatAddress(address);
  if (text === '::') return RTN_UNSPEC;
  if (text.startsWith('224') || text.startsWith('ff')) return RTN_MULTICAST;
  if (text === '192.0.2.255') return RTN_BROADCAST;
  if (text === '10.0.0.1' || text === '2001:db8::1') return device === 'eth1' ? RTN_UNICAST : RTN_LOCAL;
  return text === '::1' ? RTN_ANYCAST : text === '2001:db8::2' ? RTN_UNREACHABLE : RTN_UNICAST;
}

/** Ways back from every other address; from all of them when any device will do. */
const leadsBack: EvaluateContext['leadsBack'] = ({ source }, { loose, acceptLocal }) =>
  loose || (!acceptLocal && source.at(-1)! % 2 === 0);

const NUMBERS: Record<string, number> = {
  sctp: 132,
  tcp: 6,
  udp: 17,
  icmp: 1,
  icmp6: 58,
  multiport: 6,
  tcpmss: 6,
  esp: 50,
  ah: 51,
  mh: 135,
  dccp: 33,
  ipcomp: 108,
  osf: 6,
  TPROXY: 6,
  SYNPROXY: 6,
  TCPMSS: 6,
  TCPOPTSTRIP: 6,
};
/** Where legality does not say it. */
const TABLES: Record<string, TableName> = {
  CONNSECMARK: 'mangle',
  CT: 'raw',
  NOTRACK: 'raw',
  TRACE: 'raw',
  CHECKSUM: 'mangle',
  rpfilter: 'raw',
  socket: 'mangle',
  HMARK: 'mangle',
};

/** A chain where the extension may stand. */
function placeOf({ name, legality }: (typeof extensions)[number]): [TableName, string] {
  const { tables = ['filter'], hooks } = legality ?? {};
  const table = TABLES[name] ?? (tables.includes('filter') ? 'filter' : tables[0]!);
  const chains: readonly string[] = table === 'filter' ? ['FORWARD', 'OUTPUT'] : ['PREROUTING', 'POSTROUTING'];
  return [table, chains.find((chain) => hooks?.includes(chain) ?? true) ?? chains[0]!];
}

function wordsOf(draw: Draw, extension: (typeof extensions)[number], family: Family): string[] {
  const protocol = NUMBERS[extension.name] ?? draw.pick([6, 17]);
  const words = extension.generate(draw, POOLS, { family, protocol });
  return ['-p', String(protocol), extension.kind === 'match' ? '-m' : '-j', extension.name, ...words];
}

/** Rules share their state, so one alone says little: shared-state.test.ts holds whole rule sets against the engine, test/kernel/state.test.ts against kernels. */
const JUDGED_TOGETHER: readonly string[] = ['recent', 'hashlimit', 'connlimit', 'set', 'rateest'];

/** Of what is taken to be there, or not to be, for all packets. */
const ONE_ANSWER: readonly string[] = ['comment', 'cgroup', 'socket', 'osf', 'nfacct'];

function contextOf(profile: Profile): EvaluateContext {
  let kept: unknown;
  return {
    profile,
    hook: 'INPUT',
    addressType,
    state: <T>(make: () => T): T => {
      kept ??= make();
      return kept as T;
    },
    shared: (_, make) => make(),
    began: () => 0n,
    fingerprints: [],
    random: randomNumbers(1),
    noteJiffyEdge: () => {},
    mtu: () => undefined,
    firstAddress: () => undefined,
    proxies: [],
    wayBack: () => undefined,
    leadsBack,
    connections: NO_CONNECTIONS,
    sets: NO_SETS,
  };
}

/** Packets in the order of time, as a capture has them. */
function packetsInOrder(draw: Draw, family: Family) {
  return Array.from({ length: PACKETS }, () => randomPacket(draw, family)).sort((a, b) => (a.time < b.time ? -1 : 1));
}

for (const extension of extensions) {
  for (const family of extension.families) {
    describe(`${extension.name}, IPv${family}, seed ${SEED}`, () => {
      it('reads what it generates, and what it prints', () => {
        const draw = drawOf(SEED + family);
        for (let i = 0; i < RULES; i++) {
          const words = wordsOf(draw, extension, family);
          const [table, chain] = placeOf(extension);
          const first = readRule(words, family, table, chain);
          if (isRefusedAgain(first.saved)) continue;
          const again = readRule(splitSaved(first.saved), family, table, chain);
          expect(again.saved, words.join(' ')).toBe(first.saved);
          if (!loses(words))
            expect({ matches: again.matches, target: again.target }, words.join(' ')).toEqual({
              matches: first.matches,
              target: first.target,
            });
        }
      });

      it.skipIf(extension.kind !== 'match' || JUDGED_TOGETHER.includes(extension.name))('lowers to what it evaluates', () => {
        const draw = drawOf(SEED * 3 + family);
        const answers = new Map<unknown, number>();
        for (let i = 0; i < RULES; i++) {
          const words = wordsOf(draw, extension, family);
          const options = readRule(words, family, ...placeOf(extension)).matches[0]?.options;
          for (const profile of PROFILES) compare(draw, extension as MatchExtension, options, family, profile, words, answers);
        }
        // A test that only ever sees one answer shows nothing.
        if (!ONE_ANSWER.includes(extension.name)) expect(answers.size).toBeGreaterThan(1);
      });
    });
  }
}

function compare(
  draw: Draw,
  extension: MatchExtension,
  options: unknown,
  family: Family,
  profile: Profile,
  words: string[],
  answers: Map<unknown, number>,
) {
  const tests = extension.lower(options, { family, profile });
  const context = contextOf(profile);
  const states = new Map<Test, bigint[]>();
  const random = randomNumbers(1);
  for (const packet of packetsInOrder(draw, family)) {
    const around: Surroundings = { packet, hz: profile.hz, typeOf: addressType, states, random, leadsBack };
    const wanted = extension.evaluate(options, packet, context);
    const got = interpret(
      tests,
      fieldsOf(packet, (address) => addressType(family, address)),
      around,
    );
    answers.set(wanted, (answers.get(wanted) ?? 0) + 1);
    if (got !== wanted) expect({ got, words: words.join(' '), packet, tests, backend: profile.backend }).toBe(wanted);
    expect(extension.show(options, packet)).not.toBe('');
  }
}

/** What iptables-save does not print: whole ranges of ports and SPIs that are inverted, any length of an authentication header, an upper end of 0, a code of ICMP's type 255 (`any`). */
function loses(words: readonly string[]): boolean {
  const whole = words.some((word) => ['0:65535', '0:', ':65535', ':4294967295', '0:4294967295', ':'].includes(word));
  return (
    whole ||
    words.some((word) => word.startsWith('255/')) ||
    words.includes('NONE') ||
    words[words.indexOf('--ahlen') + 1] === '0' ||
    words.some((word) => word === ':0' || word === '0:0')
  );
}

/** What iptables-save prints and iptables-restore refuses: a shift of a single port, SNAT's base, of which the kernel keeps nothing, and rates of bytes and packets, which say twice how they are compared. */
const isRefusedAgain = (saved: string): boolean =>
  /-j [DS]NAT .*(:\d+|\]:\d+)(\/\d+|-\d+\/0)(\s|$)/.test(saved) || /--rateest-bps.*--rateest-pps/.test(saved);

function splitSaved(saved: string): string[] {
  return [...saved.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, bare]) =>
    quoted === undefined ? bare! : quoted.replace(/\\(.)/g, '$1'),
  );
}

/** What the generators do not reach: devices, IPv6 address types in all combinations, states mixed with what needs a connection. */
const FIXED: readonly (readonly [Family, string])[] = [
  [4, '-m addrtype --dst-type LOCAL --limit-iface-in'],
  [4, '-m addrtype ! --src-type LOCAL,UNICAST ! --dst-type BROADCAST --limit-iface-out'],
  [6, '-m addrtype --dst-type LOCAL --limit-iface-in'],
  [6, '-m addrtype ! --dst-type UNREACHABLE --src-type UNICAST --limit-iface-out'],
  [6, '-m addrtype --src-type MULTICAST --limit-iface-in'],
  [6, '-m addrtype ! --src-type UNICAST'],
  [6, '-m addrtype ! --src-type UNSPEC ! --dst-type MULTICAST'],
  [6, '-m addrtype --src-type UNICAST,LOCAL,ANYCAST,UNREACHABLE'],
  [6, '-m addrtype ! --src-type LOCAL,UNREACHABLE'],
  [6, '-m addrtype --src-type UNICAST,MULTICAST'],
  [6, '-m addrtype ! --src-type UNICAST,UNSPEC'],
  [6, '-m addrtype --src-type UNSPEC,UNREACHABLE'],
  [4, '-m conntrack --ctstate INVALID,NEW --ctstatus ASSURED'],
  [4, '-m conntrack ! --ctstate NEW --ctdir REPLY'],
  [4, '-m conntrack ! --ctstate INVALID,UNTRACKED ! --ctstatus SEEN_REPLY,ASSURED --ctdir ORIGINAL'],
  [4, '-m conntrack --ctstate NEW,DNAT'],
  [4, '-m conntrack ! --ctstate SNAT'],
  [4, '-m conntrack --ctorigsrc 10.0.0.3/31 --ctorigsrcport 22:443 ! --ctreplsrcport 80'],
  [4, '-m conntrack ! --ctorigdst 10.0.0.1 --ctrepldst 0/0 --ctproto 6'],
  [6, '-m conntrack ! --ctreplsrc 2001:db8::1/64 --ctexpire 1:120'],
  [6, '-m conntrack --ctstatus NONE'],
  [6, '-m conntrack ! --ctstatus NONE'],
  [4, '-p tcp -m tcp ! --sport 22 ! --dport 80'],
  [4, '-p tcp -m tcp --sport 22 --dport 80'],
  [4, '-p tcp -m tcp ! --dport 0:65535'],
  [4, '-p tcp -m tcp --tcp-flags NONE SYN'],
  [4, '-p tcp -m tcp ! --tcp-flags NONE NONE'],
  [4, '-p tcp -m tcp --tcp-flags SYN SYN,ACK'],
  [4, '-p udp -m udp --dport 10:5'],
  [4, '-p udp -m udp ! --sport 53 ! --dport 53'],
  [4, '-p icmp -m icmp ! --icmp-type 3/1:4'],
  [4, '-p icmp -m icmp ! --icmp-type any'],
  [4, '-p dccp -m dccp ! --dccp-option 1'],
  [4, '-m length ! --length 9:5'],
  [4, '-m iprange ! --src-range 10.0.0.9-10.0.0.2'],
  [4, '-m limit --limit 1/min --limit-burst 10000'],
];

describe(`rules the generators do not reach, seed ${SEED}`, () => {
  for (const [family, text] of FIXED) {
    it(`IPv${family} ${text}`, () => {
      const words = text.split(' ');
      const [found] = readRule(words, family, 'filter', 'FORWARD').matches;
      const extension = extensions.find(({ kind, name }) => kind === 'match' && name === found?.name) as MatchExtension;
      const draw = drawOf(SEED * 7);
      for (let i = 0; i < 20; i++) {
        for (const profile of PROFILES) compare(draw, extension, found?.options, family, profile, words, new Map());
      }
    });
  }

  it('refuses the one IPv6 addrtype that no list of tests can say', () => {
    expect(() => readRule('-m addrtype ! --src-type UNICAST,LOCAL'.split(' '), 6, 'filter', 'FORWARD')).toThrow(/not supported/);
  });
});

describe('bad input', () => {
  const NASTY = [
    '',
    ' ',
    '-',
    '--',
    ':',
    '::',
    ',',
    '/',
    '//',
    '1/',
    '/1',
    '-1',
    '99999999999999999999',
    '0x',
    '1:2:3',
    'ÿ',
    '\u0000',
    'constructor',
    '__proto__',
    'x'.repeat(5000),
  ];
  it('is an error or a rule, never a crash', () => {
    for (const extension of extensions) {
      for (const family of extension.families) {
        for (const { names } of extension.options) {
          for (const value of NASTY) {
            const given = [
              { name: names[0] ?? '', values: [value, value], invert: false, position: { file: '', line: 1, column: 1 } },
            ];
            for (const number of [6, 17]) {
              const context = parseContextOf(family, 'filter', 'INPUT', { protocol: { number, invert: false } });
              try {
                expect(typeof extension.print(extension.parse(given, context), { family, builtin: {} })).toBe('string');
              } catch (error) {
                expect(error, `${extension.name} --${names[0]} ${value}`).toBeInstanceOf(RuleError);
              }
            }
          }
        }
      }
    }
  });
});

describe(`built-in options, seed ${SEED}`, () => {
  for (const family of [4, 6] as const) {
    it(`lower to what they evaluate, IPv${family}`, () => {
      const draw = drawOf(SEED * 5 + family);
      const answers = new Set<unknown>();
      for (let i = 0; i < 600; i++) {
        const builtin = randomBuiltin(draw, family);
        for (const profile of [DEFAULT_PROFILE, { ...DEFAULT_PROFILE, backend: 'nft' as const }]) {
          const tests = lowerBuiltin(builtin, { family, interfaceRange, profile });
          for (const packet of packetsInOrder(draw, family)) {
            const around: Surroundings = { packet, hz: 250, typeOf: addressType, states: new Map() };
            const wanted = evaluateBuiltin(builtin, packet, profile);
            const got = interpret(
              tests,
              fieldsOf(packet, () => 0),
              around,
            );
            answers.add(wanted);
            if (got !== wanted) expect({ got, builtin, packet, tests }).toBe(wanted);
          }
        }
      }
      expect(answers.size).toBe(family === 4 ? 2 : 3);
    });
  }
});

/** `eth+` is eth0 and eth1, which are neighbours. */
function interfaceRange(pattern: string): [number, number] {
  const ids = POOLS.interfaces
    .filter((name) => (pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern))
    .map(interfaceId);
  return ids.length === 0 ? [1, 0] : [Math.min(...ids), Math.max(...ids)];
}

function randomBuiltin(draw: Draw, family: Family): Builtin {
  const out: Builtin = {};
  const bits = family === 4 ? 32 : 128;
  const { source, destination } = randomPacket(draw, family);
  const address = (words: Words) => {
    const mask = prefixMask(draw.pick([0, 8, bits / 2, bits - 1, bits]), family);
    return { address: maskAddress(words, mask), mask, invert: draw.chance(0.2) };
  };
  const device = (): InterfaceMatch => ({ pattern: draw.pick(['eth0', 'eth+', '+', 'ppp0', 'w+']), invert: draw.chance(0.3) });
  if (draw.chance(0.3)) out.source = address(source);
  if (draw.chance(0.3)) out.destination = address(destination);
  if (draw.chance(0.3)) out.inInterface = device();
  if (draw.chance(0.3)) out.outInterface = device();
  if (draw.chance(0.6)) out.protocol = { number: draw.pick([0, 1, 6, 17, 255]), invert: false };
  if (out.protocol !== undefined && out.protocol.number !== 0) out.protocol.invert = draw.chance(0.3);
  if (family === 4 && draw.chance(0.2)) out.fragment = { invert: draw.chance() };
  return out;
}
