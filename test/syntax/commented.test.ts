/** What iptables and a shell take without a word, and nobody means: notes of rules (found by a newcomer). */
import { describe, expect, it } from 'vitest';
import { parseRulesAll } from '../../src/syntax/index.ts';

const notesOf = (text: string): string[] =>
  (parseRulesAll(text, { file: 'r', family: 4 }).result?.[4]?.notes ?? []).map(
    ({ position, message }) => `${position.line}: ${message}`,
  );

describe('commands behind "#"', () => {
  const told = '2: 2 commands behind "#" read as comments: leave the "#" out where it is a prompt of root\'s';
  it('are told where they are as many as others', () => {
    expect(notesOf('iptables -P INPUT DROP\n# iptables -A INPUT -j ACCEPT\niptables -F\n# iptables -A INPUT -j DROP\n')).toEqual([
      told,
    ]);
  });

  it('are comments where they are fewer, and so is what is no command', () => {
    expect(notesOf('iptables -P INPUT DROP\n# iptables -A INPUT -j ACCEPT\niptables -F\n# iptables is a program\n')).toEqual([]);
  });
});

describe('a range of ports the wrong way round', () => {
  it('udp takes it', () => {
    expect(notesOf('iptables -A INPUT -p udp --dport 90:80 -j ACCEPT\n')).toEqual([
      '1: --dport 90:80 matches no port, as LOW is above HIGH; 80:90 is the range',
    ]);
    expect(notesOf('iptables -A INPUT -p udp --dport 80:90 --sport 90: -j ACCEPT\n')).toEqual([]);
  });

  it('inverted it matches all', () => {
    expect(notesOf('iptables -A INPUT -p udp ! --dport 90:80 -j ACCEPT\n')).toEqual([
      '1: --dport 90:80 matches every port, being inverted, as LOW is above HIGH; 80:90 is the range',
    ]);
  });
});
