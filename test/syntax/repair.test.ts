import { describe, expect, it } from 'vitest';
import { RuleError } from '../../src/model/errors.ts';
import { parseRules, parseRulesAll, parseSave, parseSaveAll, printSave } from '../../src/syntax/index.ts';

/** The gateway of the mailing list, as pasted. */
const GATEWAY = `-A FORWARD -m state –state INVALID -j DROP
-A FORWARD -p tcp –tcp-flags ACK,FIN FIN -j DROP
-A FORWARD -p tcp –tcp-flags ALL SYN,RST,ACK,FIN,URG -j DROP
-A FORWARD -i LAN-NIC -s -o INET-NIC -m state –state NEW -j ACCEPT
-A FORWARD -i INET-NIC -o LAN-NIC -d -m state –state NEW -j ACCEPT
`;

function rulesOf(text: string, repair = true): string[] {
  const ruleset = parseRules(text, { file: 'r', repair, family: 4 })[4];
  if (ruleset === undefined) throw new Error('no IPv4 rules');
  return printSave(ruleset, { counters: false })
    .split('\n')
    .filter((line) => line.startsWith('-A'));
}

describe('the gateway as pasted', () => {
  it('is refused with a place, a caret and a hint for every damage', () => {
    const { errors } = parseRulesAll(GATEWAY, { file: 'gateway' });
    expect(errors.map((error) => `${error.position.line}:${error.position.column} ${error.message}`)).toEqual([
      '1:21 en dash in front of "state"',
      '2:19 en dash in front of "tcp-flags"',
      '3:19 en dash in front of "tcp-flags"',
      '4:23 -s without an address',
      '4:47 en dash in front of "state"',
      '5:35 -d without an address',
      '5:47 en dash in front of "state"',
    ]);
    expect(errors[0]?.format()).toBe(
      [
        'gateway:1:21: en dash in front of "state"',
        '  -A FORWARD -m state –state INVALID -j DROP',
        '                      ^',
        '  hint: en dash; write --state (--repair does it)',
      ].join('\n'),
    );
  });

  it('is read with --repair, each repair noted', () => {
    expect(rulesOf(GATEWAY)).toEqual([
      '-A FORWARD -m state --state INVALID -j DROP',
      '-A FORWARD -p tcp -m tcp --tcp-flags FIN,ACK FIN -j DROP',
      '-A FORWARD -p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG FIN,SYN,RST,ACK,URG -j DROP',
      '-A FORWARD -i LAN-NIC -o INET-NIC -m state --state NEW -j ACCEPT',
      '-A FORWARD -i INET-NIC -o LAN-NIC -m state --state NEW -j ACCEPT',
    ]);
    const notes = parseRules(GATEWAY, { file: 'g', repair: true })[4]?.notes.map((note) => note.message);
    expect(notes).toContain('repaired: -s without an address, left out');
    expect(notes).toContain('repaired: en dash in front of "state", read as --state');
    expect(notes?.length).toBe(8);
  });
});

describe('repairs', () => {
  const cases: [string, string, string][] = [
    ['em dash', '-A INPUT —source 1.1.1.1', '-A INPUT -s 1.1.1.1/32'],
    ['en dash for a short option', '–A INPUT –s 1.1.1.1 –j DROP', '-A INPUT -s 1.1.1.1/32 -j DROP'],
    ['two en dashes', '-A INPUT -p tcp ––dport 80', '-A INPUT -p tcp -m tcp --dport 80'],
    ['one dash', '-A INPUT -p tcp -dport 80', '-A INPUT -p tcp -m tcp --dport 80'],
    [
      'curly quotes around blanks',
      '-A INPUT -m comment --comment “a b c” -j DROP',
      '-A INPUT -m comment --comment "a b c" -j DROP',
    ],
    [
      'single quotes around blanks',
      "-A INPUT -m comment --comment 'a b c' -j DROP",
      '-A INPUT -m comment --comment "a b c" -j DROP',
    ],
    ['non-breaking blank', '-A INPUT -s\u00a01.1.1.1 -j\u00a0DROP', '-A INPUT -s 1.1.1.1/32 -j DROP'],
    ['old inversion', '-A INPUT -s ! 1.1.1.1 -j DROP', '-A INPUT ! -s 1.1.1.1/32 -j DROP'],
    ['old inversion of an extension', '-A INPUT -p tcp --dport ! 80', '-A INPUT -p tcp -m tcp ! --dport 80'],
    ['old inversion of the protocol', '-A INPUT -p ! tcp', '-A INPUT ! -p tcp'],
    ['en dash in a range', '-A INPUT -m iprange --src-range 1.1.1.1–1.1.1.9', '-A INPUT -m iprange --src-range 1.1.1.1-1.1.1.9'],
    ['address forgotten at the end', '-A INPUT -j DROP -d', '-A INPUT -j DROP'],
  ];
  for (const [name, line, saved] of cases) {
    it(name, () => {
      const text = `*filter\n${line}\nCOMMIT\n`;
      const errors = parseSaveAll(text, { file: 'r', family: 4 }).errors;
      expect(errors.length).toBeGreaterThan(0);
      for (const error of errors) {
        expect(error.kind).toBe('repairable');
        expect(error.hint).toMatch(/--repair/);
      }
      expect(rulesOf(text)).toEqual([saved]);
    });
  }

  it('never changes what iptables accepts', () => {
    const accepted = '-A INPUT -m comment --comment “a” -j DROP';
    expect(rulesOf(`*filter\n${accepted}\n-A INPUT -m comment --comment –x\nCOMMIT\n`)).toEqual(
      rulesOf(`*filter\n${accepted}\n-A INPUT -m comment --comment –x\nCOMMIT\n`, false),
    );
    expect(parseSave(`*filter\n${accepted}\nCOMMIT\n`, { file: 'r', repair: true }).notes).toEqual([]);
  });

  it('CRLF: one error without, one note with', () => {
    const text = '*filter\r\n:INPUT ACCEPT [0:0]\r\n-A INPUT -j DROP\r\nCOMMIT\r\n';
    const { errors } = parseSaveAll(text, { file: 'r' });
    expect(errors.length).toBe(1);
    expect(errors[0]?.hint).toMatch(/CRLF/);
    expect(rulesOf(text)).toEqual(['-A INPUT -j DROP']);
    expect(parseSave(text, { file: 'r', repair: true }).notes.map((note) => note.message)).toEqual([
      expect.stringMatching(/CRLF/),
    ]);
  });

  it('COMMIT with blanks, without newline, missing', () => {
    for (const end of ['COMMIT \n', 'COMMIT', ' COMMIT\n', '']) {
      const text = `*filter\n-A INPUT -j DROP\n${end}`;
      expect(() => parseSave(text, { file: 'r' }), JSON.stringify(end)).toThrow(RuleError);
      expect(rulesOf(text), JSON.stringify(end)).toEqual(['-A INPUT -j DROP']);
      expect(parseSave(text, { file: 'r', repair: true }).notes.length).toBeGreaterThan(0);
    }
  });

  it('an error that no repair would cure is told as it is', () => {
    const [error] = parseSaveAll('*filter\n-A INPUT -m nosuch –x 1\nCOMMIT\n', { file: 'r' }).errors;
    expect(error?.kind).toBe('unsupported');
  });
});
