/** Texts that make a careless reader slow: twice the text must not be much more than twice the work. */
import { afterAll, expect, test } from 'vitest';
import { WorkCounter } from './work.ts';

const dump = (body: string): string => `*filter\n:INPUT ACCEPT [0:0]\n:a - [0:0]\n${body}COMMIT\n`;
const lines = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => `${line(index)}\n`).join('');

/** By name: the text of a size. */
const TEXTS: Record<string, (size: number) => string> = {
  rules: (size) =>
    dump(lines(size, (index) => `-A INPUT -s 10.0.${index >> 8}.${index & 255} -p tcp --dport ${index} -j ACCEPT`)),
  'wrong rules': (size) => dump(lines(size, () => '-A INPUT -p tcp --dport x -j ACCEPT')),
  chains: (size) =>
    dump(
      lines(size, (index) => `:c${index} - [0:0]`) +
        lines(size - 1, (index) => `-A c${index} -j c${index + 1}`) +
        '-A INPUT -j c0\n',
    ),
  'ladders of chains': (size) =>
    dump(
      lines(size, (index) => `:c${index} - [0:0]`) +
        lines(size - 1, (index) => `-A c${index} -s 1.1.1.1 -j c${index + 1}\n-A c${index} -j c${index + 1}`) +
        '-A INPUT -j c0\n',
    ),
  'new chains in a script': (size) => lines(size, (index) => `iptables -N c${index}`),
  'inserted rules': (size) => lines(size, (index) => `iptables -I INPUT -p tcp --dport ${index} -j ACCEPT`),
  'deleted rules': (size) =>
    lines(size, (index) => `iptables -A INPUT -p tcp --dport ${index}`) +
    lines(size, (index) => `iptables -D INPUT -p tcp --dport ${index}`),
  variables: (size) => `A=x\n${lines(size, (index) => `V${index}=$A`)}`,
  'a long line': (size) => `iptables -A INPUT ${'-m comment --comment x '.repeat(size)}\n`,
  'a line continued': (size) => `iptables -A INPUT ${'\\\n'.repeat(size)} -j ACCEPT\n`,
  quotes: (size) => `iptables -A INPUT -m comment --comment ${'"a b"'.repeat(size)}\n`,
  'open brackets': (size) => `${'('.repeat(size)}\n`,
  substitutions: (size) => `iptables -s ${'$('.repeat(size)}\n`,
  'en dashes': (size) => dump(lines(size, () => '\u2013A INPUT \u2013p tcp \u2013\u2013dport 80 \u2013j ACCEPT')),
  'lists of addresses': (size) =>
    dump(
      `-A INPUT -s ${Array.from({ length: size }, (_, index) => `1.1.${index >> 8}.${index & 255}`)
        .join(',')
        .slice(0, 1000)} -j ACCEPT\n`.repeat(4),
    ),
};

const counter = new WorkCounter();
afterAll(() => counter.close());

test.each(Object.entries(TEXTS))('%s', async (_name, text) => {
  const [one, two] = [await counter.reading(text(500)), await counter.reading(text(1000))];
  expect(one).toBeGreaterThan(100);
  expect(two / one).toBeLessThan(2.3);
});

test('work that grows with the square is told', async () => {
  const many = (size: number): string[] => Array.from({ length: size }, () => TEXTS.rules!(size));
  expect((await counter.reading(...many(60))) / (await counter.reading(...many(30)))).toBeGreaterThan(3.5);
});
