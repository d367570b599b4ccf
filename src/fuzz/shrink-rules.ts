/** Smaller rule texts: without a table, a chain, rules, a match, an option, a negation. Text in, texts out; what is not legal any more is sorted out by who reads them. */

/** A rule text as lines, with what each line is. */
interface Line {
  text: string;
  kind: 'table' | 'chain' | 'rule' | 'commit';
  /** The table the line stands in, by its number, and the chain a chain or rule line names. */
  table: number;
  chain: string;
}

function read(rules: string): Line[] {
  let table = -1;
  return rules
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => {
      if (text.startsWith('*')) table++;
      const kind = text.startsWith('*') ? 'table' : text.startsWith(':') ? 'chain' : text.startsWith('-A') ? 'rule' : 'commit';
      const chain = kind === 'chain' ? text.slice(1).split(' ')[0]! : kind === 'rule' ? text.split(' ')[1]! : '';
      return { text, kind, table, chain };
    });
}

const write = (lines: readonly Line[]): string => `${lines.map(({ text }) => text).join('\n')}\n`;

/** Rule texts with one table less. */
export function* withoutTable(rules: string): Generator<string> {
  const lines = read(rules);
  const tables = new Set(lines.map(({ table }) => table));
  if (tables.size < 2) return;
  for (const table of tables) yield write(lines.filter((line) => line.table !== table));
}

/** With one user chain less; rules that call it go too. */
export function* withoutChain(rules: string): Generator<string> {
  const lines = read(rules);
  for (const { kind, table, chain, text } of lines) {
    if (kind !== 'chain' || !text.includes(' - ')) continue;
    const calls = new RegExp(` -[jg] ${chain}$`);
    yield write(lines.filter((line) => line.table !== table || (line.chain !== chain && !calls.test(line.text))));
  }
}

/** Without every stretch of a half, a quarter... of the items, down to one of them. */
export function* withoutStretch<T>(items: readonly T[]): Generator<T[]> {
  for (let length = Math.ceil(items.length / 2); length >= 1; length = length === 1 ? 0 : Math.ceil(length / 2))
    for (let from = 0; from < items.length; from += length)
      yield items.filter((_, index) => index < from || index >= from + length);
}

export function* withoutRules(rules: string): Generator<string> {
  const lines = read(rules);
  for (const kept of withoutStretch(lines.filter(({ kind }) => kind === 'rule'))) {
    const keep = new Set(kept);
    yield write(lines.filter((line) => line.kind !== 'rule' || keep.has(line)));
  }
}

/** With one rule simpler: without a match and its options, without one option, without one `!`, with the target of a plain verdict; and policies ACCEPT. */
export function* simplerRule(rules: string): Generator<string> {
  const lines = read(rules);
  const withLine = (index: number, text: string): string => write(lines.with(index, { ...lines[index]!, text }));
  for (const [index, line] of lines.entries()) {
    if (line.kind === 'chain' && line.text.includes(' DROP ')) yield withLine(index, line.text.replace(' DROP ', ' ACCEPT '));
    if (line.kind !== 'rule') continue;
    for (const text of simplerWords(line.text)) yield withLine(index, text);
  }
}

function* simplerWords(rule: string): Generator<string> {
  const [add = '', chain = '', ...words] = rule.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
  const groups = grouped(words);
  const line = (kept: readonly (readonly string[])[]): string => [add, chain, ...kept.flat()].join(' ');
  for (const [index, group] of groups.entries()) {
    const next = groups.findIndex((other, at) => at > index && !other.some((word) => word.startsWith('--')));
    const end = group.includes('-m') || group.includes('-j') ? (next < 0 ? groups.length : next) : index + 1;
    yield line([...groups.slice(0, index), ...groups.slice(end)]);
    if (group[0] === '!') yield line(groups.with(index, group.slice(1)));
  }
  if (!/ -[jg] (ACCEPT|u\d+)$/.test(rule) && groups.some((group) => group[0] === '-j')) {
    const target = groups.findIndex((group) => group[0] === '-j');
    yield line([...groups.slice(0, target), ['-j', 'ACCEPT']]);
  }
}

/** Words by option: `! --dport 80` is one group. */
function grouped(words: readonly string[]): string[][] {
  const groups: string[][] = [];
  for (const [index, word] of words.entries()) {
    const starts = word === '!' || (/^--?[a-z]/.test(word) && words[index - 1] !== '!');
    if (starts || groups.length === 0) groups.push([word]);
    else groups.at(-1)!.push(word);
  }
  return groups;
}
