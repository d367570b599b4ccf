/** `wasmtables replay`: rules and captures in, report out. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { Command, Option } from 'commander';
import type { PacketOutcome } from '../model/outcome.ts';
import { expandCaptures } from '../replay/open.ts';
import { countFlows, type Prepared, prepare, replayOne } from '../replay/replay.ts';
import { type Comparison, changedPackets, VERDICT_CODES, VerdictList } from '../report/comparison.ts';
import { renderComparison } from '../report/comparison-text.ts';
import { buildReport, type Report } from '../report/report.ts';
import { renderSaved } from '../report/saved.ts';
import { renderText } from '../report/text.ts';
import { verdictLine } from '../report/verdict-line.ts';
import { EXIT, UsageError } from './exit.ts';
import {
  addHostOptions,
  addProfileOptions,
  addRuleOptions,
  type HostOptions,
  hostGiven,
  type ProfileOptions,
  profileOf,
  type RuleOptions,
  wholeNumber,
} from './options.ts';
import { type DualRules, loadRules } from './rules.ts';
import { interruptible, outputStyle, ProgressBar, writeOut } from './terminal.ts';

interface ReplayOptions extends RuleOptions, HostOptions, ProfileOptions {
  read: string[];
  count?: number;
  quiet?: boolean;
  verbose?: boolean;
  format: 'text' | 'json' | 'iptables-save';
  verdicts?: string;
  path?: boolean;
  engine: 'wasm' | 'reference';
  tree: boolean;
  timing: boolean;
}

/** The command; `done` takes the exit code. */
export function replayCommand(done: (code: number) => void): Command {
  const command = new Command('replay').description(
    'judge every packet of a capture by a rule set: counters, verdicts, evaluations',
  );
  command
    .addOption(
      new Option(
        '-r, --read <file...>',
        'capture files (pcap, pcapng, .gz, .zst), folders, or - for standard input',
      ).makeOptionMandatory(),
    )
    .addOption(new Option('-c, --count <n>', 'stop after n packets').argParser(wholeNumber('-c', 1, Number.MAX_SAFE_INTEGER)));
  addRuleOptions(command);
  addHostOptions(command);
  addProfileOptions(command);
  command
    .optionsGroup('Output:')
    .addOption(
      new Option('--format <name>', 'what goes to standard output').choices(['text', 'json', 'iptables-save']).default('text'),
    )
    .addOption(new Option('--verdicts <file>', 'one JSON line a packet (- is standard output)'))
    .option('--path', "with --verdicts: every rule met, in the words of the kernel's TRACE")
    .option('-q, --quiet', 'totals only')
    .option('-v, --verbose', 'empty chains, hooks and states too')
    .option('--no-timing', 'leave the speed out (reports become repeatable byte by byte)')
    .optionsGroup('Engine:')
    .addOption(
      new Option('--engine <name>', 'the WebAssembly engine, or the plain interpreter it is held against')
        .choices(['wasm', 'reference'])
        .default('wasm'),
    )
    .option('--no-tree', 'evaluate rule by rule instead of by the decision tree');
  return command.action(async (options: ReplayOptions) => done(await replay(options)));
}

/** Where verdict lines go. */
class VerdictFile {
  readonly #descriptor: number;
  #lines: string[] = [];

  constructor(path: string) {
    this.#descriptor = path === '-' ? 1 : openSync(path, 'w');
  }

  write(outcome: PacketOutcome): void {
    this.#lines.push(verdictLine(outcome));
    if (this.#lines.length >= 4096) this.flush();
  }

  flush(): void {
    if (this.#lines.length === 0) return;
    const bytes = Buffer.from(`${this.#lines.join('\n')}\n`);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at);
    this.#lines = [];
  }

  close(): void {
    this.flush();
    if (this.#descriptor !== 1) closeSync(this.#descriptor);
  }
}

async function replay(options: ReplayOptions): Promise<number> {
  if (options.path === true && options.verdicts === undefined) throw new UsageError('--path goes with --verdicts FILE');
  const rules = loadRules(options);
  if (rules.length > 1 && options.verdicts !== undefined) throw new UsageError('--verdicts takes one -R');
  if (rules.length > 1 && options.format === 'iptables-save') throw new UsageError('--format iptables-save takes one -R');
  const captures = expandCaptures(options.read);
  if (rules.length > 1 && captures.includes('-'))
    throw new UsageError('standard input can be read once: compare rule sets on files');
  const prepared = await prepare(captures, rules, hostGiven(options));
  const profile = profileOf(options);
  return rules.length > 1 ? compare(options, prepared, rules, profile) : single(options, prepared, rules[0]!, profile);
}

const rulesOf = (rules: DualRules) => [rules[4], rules[6]].filter((ruleset) => ruleset !== undefined);

async function single(
  options: ReplayOptions,
  prepared: Prepared,
  rules: DualRules,
  profile: ReturnType<typeof profileOf>,
): Promise<number> {
  const verdicts = options.verdicts === undefined ? undefined : new VerdictFile(options.verdicts);
  const bar = new ProgressBar();
  try {
    const job = {
      rules,
      host: prepared.host,
      profile,
      ...(verdicts === undefined ? {} : { packets: { path: options.path === true } }),
    };
    const { value, interrupted } = await interruptible((asked) =>
      replayOne(prepared, job, {
        ...witness(options),
        interrupted: asked,
        onProgress: (...step) => bar.draw(...step),
        ...(verdicts === undefined ? {} : { onPacket: (outcome: PacketOutcome) => verdicts.write(outcome) }),
      }),
    );
    bar.clear();
    verdicts?.flush();
    const report = buildReport({ rules, host: prepared.host, profile, result: value.result, ...timing(options, value.seconds) });
    await writeOut(options.verdicts === '-' && options.format === 'text' ? '' : render(options, report, rules));
    if (interrupted) return EXIT.interrupted;
    return value.damaged ? EXIT.damaged : EXIT.ok;
  } finally {
    bar.clear();
    verdicts?.close();
  }
}

const timing = (options: ReplayOptions, seconds: number): { seconds?: number } => (options.timing ? { seconds } : {});

const witness = (options: ReplayOptions) => ({
  engine: options.engine,
  tree: options.tree,
  ...(options.count === undefined ? {} : { limit: options.count }),
});

function render(options: ReplayOptions, report: Report, rules: DualRules): string {
  if (options.format === 'json') return `${JSON.stringify(report, null, 2)}\n`;
  if (options.format === 'iptables-save') return renderSaved(report, rulesOf(rules));
  return renderText(report, rulesOf(rules), textOptions(options));
}

const textOptions = (options: ReplayOptions) => ({
  style: outputStyle(),
  quiet: options.quiet === true,
  verbose: options.verbose === true,
});

async function compare(
  options: ReplayOptions,
  prepared: Prepared,
  rules: readonly DualRules[],
  profile: ReturnType<typeof profileOf>,
): Promise<number> {
  const reports: Report[] = [];
  const lists: VerdictList[] = [];
  let damaged = false;
  const bar = new ProgressBar();
  const { interrupted } = await interruptible(async (asked) => {
    for (const one of rules) {
      const list = new VerdictList();
      const outcome = await replayOne(
        prepared,
        { rules: one, host: prepared.host, profile, packets: { path: false } },
        {
          ...witness(options),
          interrupted: asked,
          onProgress: (...step) => bar.draw(...step),
          onPacket: ({ verdict }) => list.push(verdict === null ? 0 : VERDICT_CODES[verdict]!),
        },
      );
      lists.push(list);
      damaged ||= outcome.damaged;
      reports.push(
        buildReport({ rules: one, host: prepared.host, profile, result: outcome.result, ...timing(options, outcome.seconds) }),
      );
      if (asked()) return;
    }
  });
  bar.clear();
  const changed = changedPackets(lists);
  const flows = await countFlows(prepared.captures, changed);
  const comparison: Comparison = { schema: 'wasmtables/comparison/1', reports, changed: { packets: changed.length, flows } };
  await writeOut(
    options.format === 'json'
      ? `${JSON.stringify(comparison, null, 2)}\n`
      : renderComparison(comparison, rules.map(rulesOf), textOptions(options)),
  );
  if (interrupted) return EXIT.interrupted;
  if (damaged) return EXIT.damaged;
  return changed.length > 0 ? EXIT.differs : EXIT.ok;
}
