/** The report for people: like `iptables -nvxL`, easier to read. */
import type { Chain, RuleSet, Table } from '../model/ruleset.ts';
import { printRuleText } from '../syntax/index.ts';
import { damageLines } from './damage.ts';
import type { Report, ReportChain, ReportTables } from './report.ts';
import { count, PLAIN, plural, type Style, share } from './style.ts';

export interface TextOptions {
  style?: Style;
  /** -v: also empty chains, rule places, hooks, connection states and sysctls that differ. */
  verbose?: boolean;
  /** -q: totals only. */
  quiet?: boolean;
}

/** The whole report, lines ended by newlines. `rules` in the order of report.rules. */
export function renderText(report: Report, rules: readonly RuleSet[], options: TextOptions = {}): string {
  const style = options.style ?? PLAIN;
  const lines = [...heading(report, style), ''];
  if (options.quiet !== true) {
    for (const [index, ruleset] of rules.entries()) {
      const tables = index === 0 ? report.tables : (report.tables6 ?? {});
      lines.push(...renderTables(ruleset, tables, report, options, style));
    }
    lines.push(...neverHit(rules, report, style));
  }
  lines.push(...totals(report, style, options.verbose === true));
  for (const note of report.notes) lines.push(style.warn(`note: ${note}`));
  return `${lines.join('\n')}\n`;
}

function heading(report: Report, style: Style): string[] {
  const { profile, host } = report;
  const kernel = `${profile.backend}, Linux ${profile.kernel}, HZ ${profile.hz}${profile.prestack === 'lenient' ? ', lenient' : ''}${profile.checksums === 'offload' ? ', offload' : ''}`;
  const way = host.forward ? `every packet enters at ${host.in ?? 'eth0'}` : `local ${host.local.join(', ') || 'nothing'}`;
  const captures = report.captures.map((capture) => capture.file).join(', ');
  const lines = [
    `${style.bold(report.rules.join(' + '))} on ${style.bold(captures)}`,
    style.dim(
      `${plural(report.packets, 'packet')}, ${count(report.bytes)} bytes · ${kernel} · ${way}${host.guessed ? ' (guessed)' : ''}`,
    ),
  ];
  for (const note of host.notes) lines.push(style.warn(`host: ${note}`));
  for (const line of damageLines(report.captures)) lines.push(style.bad(line));
  return lines;
}

function renderTables(ruleset: RuleSet, tables: ReportTables, report: Report, options: TextOptions, style: Style): string[] {
  const lines: string[] = [];
  const several = ruleset.tables.length > 1;
  const dual = report.rules.length > 1 && ruleset.family === 6 ? 'IPv6 ' : '';
  for (const table of ruleset.tables) {
    for (const chain of table.chains) {
      const seen = tables[table.name]?.[chain.name];
      if (seen === undefined || !worthShowing(chain, table, seen, options)) continue;
      lines.push(
        ...renderChain(
          ruleset,
          chain,
          seen,
          `${dual}${several || table.name !== 'filter' ? table.name : ''}`.trim(),
          report,
          style,
        ),
        '',
      );
    }
  }
  return lines;
}

/** Chains without rules say something only by their policy: always in filter, elsewhere when asked for. */
function worthShowing(chain: Chain, table: Table, seen: ReportChain, options: TextOptions): boolean {
  if (options.verbose === true || chain.rules.length > 0) return true;
  return table.name === 'filter' && chain.policy !== null && seen.packets > 0;
}

function renderChain(ruleset: RuleSet, chain: Chain, seen: ReportChain, table: string, report: Report, style: Style): string[] {
  const where = table === '' ? '' : `${table} `;
  const policy =
    chain.policy === null
      ? 'user chain'
      : `policy ${chain.policy}: ${plural(seen.packets, 'packet')}, ${plural(seen.bytes, 'byte')}`;
  const lines = [`${style.bold(`Chain ${where}${chain.name}`)} ${style.dim(`(${policy})`)}`];
  if (chain.rules.length === 0) return lines;
  const rows = chain.rules.map((rule, index) => {
    const { packets, bytes } = seen.rules[index] ?? { packets: 0, bytes: 0 };
    return {
      number: `${index + 1}`,
      packets: count(packets),
      bytes: count(bytes),
      part: share(packets, report.netfilter.packets),
      words: printRuleText(rule, ruleset),
      hit: packets > 0,
    };
  });
  const widths = {
    number: widest(rows, 'number', 'num'),
    packets: widest(rows, 'packets', 'packets'),
    bytes: widest(rows, 'bytes', 'bytes'),
    part: widest(rows, 'part', 'share'),
  };
  const cells = (number: string, packets: string, bytes: string, part: string): string =>
    `${number.padStart(widths.number)}  ${packets.padStart(widths.packets)}  ${bytes.padStart(widths.bytes)}  ${part.padStart(widths.part)}`;
  lines.push(style.dim(`${cells('num', 'packets', 'bytes', 'share')}  rule`));
  for (const row of rows) {
    const line = `${cells(row.number, row.packets, row.bytes, row.part)}  ${row.words}`;
    lines.push(row.hit ? line : style.dim(line));
  }
  return lines;
}

type Row = { number: string; packets: string; bytes: string; part: string };

const widest = (rows: readonly Row[], key: keyof Row, title: string): number =>
  rows.reduce((width, row) => Math.max(width, row[key].length), title.length);

function neverHit(rules: readonly RuleSet[], report: Report, style: Style): string[] {
  const places: string[] = [];
  let total = 0;
  for (const [index, ruleset] of rules.entries()) {
    const tables = index === 0 ? report.tables : (report.tables6 ?? {});
    for (const table of ruleset.tables) {
      for (const chain of table.chains) {
        total += chain.rules.length;
        const missed = chain.rules.flatMap((_, at) =>
          tables[table.name]?.[chain.name]?.rules[at]?.packets === 0 ? [at + 1] : [],
        );
        const family = index > 0 ? 'IPv6 ' : '';
        if (missed.length > 0) places.push(`${family}${table.name}:${chain.name} ${ranges(missed)}`);
      }
    }
  }
  if (places.length === 0) return [];
  return [`${style.bold('Never hit')}  ${places.join('; ')} ${style.dim(`(of ${plural(total, 'rule')})`)}`, ''];
}

/** `1-3,7`. */
export function ranges(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let from = 0; from < numbers.length; ) {
    let to = from;
    while (to + 1 < numbers.length && numbers[to + 1] === numbers[to]! + 1) to++;
    parts.push(from === to ? `${numbers[from]}` : `${numbers[from]}-${numbers[to]}`);
    from = to + 1;
  }
  return parts.join(',');
}

function totals(report: Report, style: Style, verbose: boolean): string[] {
  const lines = [`${style.bold('Verdicts')}   ${listed(report.verdicts, report.netfilter.packets, style)}`];
  const extra = (title: string, values: Record<string, number>): void => {
    const shown = Object.entries(values).filter(([, value]) => value > 0);
    if (shown.length > 0)
      lines.push(`${style.bold(title)}  ${shown.map(([word, value]) => `${word} ${count(value)}`).join(', ')}`);
  };
  extra('Ended in the stack', report.stack);
  extra('Never reached netfilter', report.unseen);
  if (verbose) {
    extra('Hooks', report.hooks);
    extra('States', report.ctstates);
  }
  extra('Why INVALID', report.invalid);
  const average = report.netfilter.packets === 0 ? 0 : report.evaluations / report.netfilter.packets;
  lines.push(
    `${style.bold('Evaluations')} ${plural(report.evaluations, 'rule')}${style.dim(`, ${average.toFixed(2)} a packet`)}`,
  );
  if (report.speed !== undefined) {
    const { packetsPerSecond, seconds, sampled } = report.speed;
    const cut = sampled === undefined ? '' : `; tree cut for ${plural(sampled, 'packet')} of the capture's beginning`;
    lines.push(style.dim(`${count(packetsPerSecond)} packets/s (${seconds.toFixed(3)} s)${cut}`));
  }
  return lines;
}

function listed(verdicts: Record<string, number>, whole: number, style: Style): string {
  return Object.entries(verdicts)
    .map(([verdict, packets]) => {
      const colour = packets === 0 ? style.dim : verdict === 'ACCEPT' ? style.good : style.bad;
      const part = share(packets, whole);
      return colour(`${verdict} ${count(packets)}${part === '' ? '' : ` (${part})`}`);
    })
    .join('  ');
}
