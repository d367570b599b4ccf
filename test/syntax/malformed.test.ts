/** Malformed text of rules gives errors with a place, or a rule set, and nothing else: no hang, no overflow. */
import { describe, expect, it } from 'vitest';
import { RuleError } from '../../src/model/errors.ts';
import { guessFamily, parseRulesAll, parseSaveAll, parseScriptAll } from '../../src/syntax/index.ts';
import { SEED } from '../seed.ts';
import { randomRule, seeded } from './random.ts';

const SCRAPS = [
  ...[
    '-A',
    '-I',
    '-D',
    '-R',
    '-N',
    '-X',
    '-E',
    '-P',
    '-F',
    '-Z',
    '-j',
    '-g',
    '-m',
    '-p',
    '-s',
    '-d',
    '-i',
    '-o',
    '-f',
    '-c',
    '-t',
    '!',
    '--',
    '-',
    '"',
    "'",
    '\\',
    '$',
  ],
  ...[
    'INPUT',
    'u1',
    'tcp',
    'udp',
    'state',
    'conntrack',
    'limit',
    'DROP',
    'LOG',
    'REJECT',
    '*filter',
    ':x',
    'COMMIT',
    '[1:2]',
    '80',
    '1.2.3.4/8',
    '::1',
    '\u2013s',
    '\u201cq\u201d',
  ],
  ...[
    '--dport',
    '--sport',
    '--state',
    '--limit',
    '--tcp-flags',
    '$' + '{X}',
    '$(x)',
    '`x`',
    '&&',
    '||',
    ';',
    '|',
    '>',
    '<<EOF',
    '#',
    '\t',
    '\r',
    '\0',
    '\u00a0',
    '999999999999999999999',
    '-1',
    '0x',
    '=',
    '--=',
    '-\u2013',
  ],
];

/** Text with something broken in it: words swapped, cut, doubled, bytes changed. */
function broken(seed: number): string {
  const draw = seeded(seed);
  const lines = ['*filter', ':INPUT ACCEPT [0:0]', ':u1 - [0:0]'];
  for (let i = draw.integer(1, 4); i > 0; i--) lines.push(randomRule(draw, 4).text);
  lines.push('COMMIT', '');
  let text = lines.join('\n');
  for (let i = draw.integer(1, 6); i > 0; i--) {
    const at = draw.integer(0, text.length);
    const cut = draw.chance(0.5) ? draw.integer(0, 12) : 0;
    const scrap = draw.chance(0.7)
      ? `${draw.pick(['', ' ', '\n'])}${draw.pick(SCRAPS)}${draw.pick(['', ' '])}`
      : String.fromCharCode(draw.integer(0, 0x2fff));
    text = text.slice(0, at) + scrap + text.slice(at + cut);
  }
  return text;
}

function check(text: string, errors: readonly unknown[]): void {
  for (const error of errors) {
    expect(error).toBeInstanceOf(RuleError);
    const { position } = error as RuleError;
    expect(position.line).toBeGreaterThanOrEqual(1);
    expect(position.line).toBeLessThanOrEqual(text.split('\n').length + 1);
    expect(position.column).toBeGreaterThanOrEqual(1);
    expect((error as RuleError).format()).toMatch(/^x:\d+:\d+: ./);
  }
}

describe(`malformed text (WASMTABLES_SEED=${SEED})`, () => {
  it('gives rule errors with a place, or a rule set, and nothing else', () => {
    let refused = 0;
    for (let i = 0; i < 600; i++) {
      const text = broken(SEED * 100_000 + i);
      for (const repair of [false, true]) {
        for (const unsupported of ['refuse', 'assume-hit'] as const) {
          const { ruleset, errors } = parseSaveAll(text, { file: 'x', repair, unsupported, family: 4 });
          expect(ruleset === undefined, text).toBe(errors.length > 0);
          if (errors.length > 0) refused++;
          check(text, errors);
        }
      }
    }
    expect(refused).toBeGreaterThan(800);
  });

  it('as scripts and as anything', () => {
    for (let i = 0; i < 600; i++) {
      const rules = broken(SEED * 200_000 + i);
      const script = rules.replace(/^-/gm, 'iptables -');
      check(script, parseScriptAll(script, { file: 'x', repair: i % 2 === 0 }).errors);
      check(rules, parseRulesAll(rules, { file: 'x', repair: i % 2 === 0 }).errors);
      guessFamily(rules);
    }
  });

  it('does not hang or overflow on big and deep input', () => {
    const start = Date.now();
    const deep = Array.from({ length: 3000 }, (_, i) => i);
    const chains = deep.map((i) => `:c${i} - [0:0]`).join('\n');
    const jumps = deep
      .slice(1)
      .map((i) => `-A c${i - 1} -j c${i}`)
      .join('\n');
    expect(parseSaveAll(`*filter\n${chains}\n-A INPUT -j c0\n${jumps}\nCOMMIT\n`, { file: 'x' }).errors).toEqual([]);
    const loop = parseSaveAll(`*filter\n${chains}\n-A INPUT -j c0\n${jumps}\n-A c2999 -j c0\nCOMMIT\n`, { file: 'x' });
    expect(loop.errors[0]?.message).toMatch(/loop/);
    // A ladder of diamonds has 2^n paths and n chains.
    const ladder = deep
      .slice(1)
      .map((i) => `-A c${i - 1} -s 1.1.1.1 -j c${i}\n-A c${i - 1} -j c${i}`)
      .join('\n');
    expect(parseSaveAll(`*filter\n${chains}\n-A INPUT -j c0\n${ladder}\nCOMMIT\n`, { file: 'x' }).errors).toEqual([]);
    for (const piece of ['(', '$(', '`', '"', "'", '{', '\\\n', '${', '-', '! ', ',', '1.', ':', '\u201c ', 'a=']) {
      const text = piece.repeat(20_000);
      check(text, parseScriptAll(`iptables -A INPUT -s ${text}`, { file: 'x', repair: true }).errors);
      check(text, parseScriptAll(text, { file: 'x', repair: true }).errors);
      check(text, parseSaveAll(`*filter\n-A INPUT ${text.slice(0, 9000)}\nCOMMIT\n`, { file: 'x', repair: true }).errors);
      check(text, parseSaveAll(`*filter\n${text}\nCOMMIT\n`, { file: 'x', repair: true }).errors);
    }
    expect(Date.now() - start).toBeLessThan(20_000);
  }, 60_000);
});
