/** `wasmtables replay`: rules and captures in, report out. */
import type { Worker } from 'node:worker_threads';
import { Command, Option } from 'commander';
import type { PacketOutcome } from '../model/outcome.ts';
import type { Frame, Job } from '../model/witness.ts';
import { announcedLinktypes } from '../replay/accepted.ts';
import { engineModule } from '../replay/engine-session.ts';
import { withChecksums } from '../replay/offload.ts';
import { expandCaptures, isReadOnce } from '../replay/open.ts';
import type { Threads } from '../replay/parallel.ts';
import type { Pipeline } from '../replay/pipeline.ts';
import { type Prepared, prepare, replayOne, type ReplayOptions as WitnessOptions } from '../replay/replay.ts';
import type { RunOutcome } from '../replay/run.ts';
import { sampleFor } from '../replay/sample.ts';
import { areMany, isTreeWorthwhile } from '../replay/worthwhile.ts';
import { whyIncomparable } from '../report/comparable.ts';
import { damageLines } from '../report/damage.ts';
import { logLine } from '../report/log-line.ts';
import { buildReport, type Report } from '../report/report.ts';
import { renderSaved } from '../report/saved.ts';
import { renderText } from '../report/text.ts';
import { verdictLine } from '../report/verdict-line.ts';
import { compare } from './compare.ts';
import { Dumps } from './dumps.ts';
import { EXIT, UsageError } from './exit.ts';
import { areLarge } from './files.ts';
import { withExamples } from './help.ts';
import { breakable, interruptible } from './interrupts.ts';
import { startThreads, threadsFor } from './jobs.ts';
import { LineFile } from './line-file.ts';
import {
  addAnnotations,
  addHostOptions,
  addProfileOptions,
  addRuleOptions,
  annotationsOf,
  checkInputs,
  hostGiven,
  inputsOf,
  profileOf,
  wholeNumber,
} from './options.ts';
import { addOutputOptions, checkOne, checkOutputs, isAside, outputsOf, tell } from './outputs.ts';
import { checkOverwriting } from './overwrite.ts';
import { PacketFile } from './packet-file.ts';
import { readAhead } from './read-ahead.ts';
import { type DualRules, fingerprintsOf, loadRules, loadSets } from './rules.ts';
import { endNotes, type ReplayOptions, rulesOf, saysUnjudged, type Task, textOptions, timing, witness } from './task.ts';
import { ProgressBar } from './terminal.ts';
import { saysUnopened, saysUnread } from './unread.ts';

const EXAMPLES = [
  [
    'wasmtables replay -R rules.v4 -r capture.pcap',
    'packets and bytes of every rule, verdicts, rules that never matched, evaluations',
  ],
  [
    'wasmtables replay -R rules.v4 --rules6 rules.v6 -r captures/ --addr addr.json',
    'a dual-stack host that says who it is, all captures of a folder',
  ],
  [
    'wasmtables replay -R old.v4 -R new.v4 -r capture.pcap --verdicts changes.ndjson',
    'two rule sets side by side, and every packet that fares differently',
  ],
  [
    'wasmtables replay -R rules.v4 -r capture.pcap --format iptables-save > counted.v4',
    'the rules as "iptables-save -c" would print them after these packets',
  ],
  ['wasmtables replay -R mail.txt --repair -r capture.pcap', 'rules out of a mail, with what was put right in the notes'],
  ['tcpdump -w - | wasmtables replay -R rules.v4 -r - -c 10000', 'live packets; Ctrl-C reports what was judged by then'],
] as const;

/** The command; `done` takes the exit code. `thread`: one that has begun to load, if --jobs wants it. */
export function replayCommand(done: (code: number) => void, thread?: Worker): Command {
  const command = new Command('replay').usage('-R RULES -r CAPTURE [options]');
  command.description('Judges every packet of captures by a rule set: counters, verdicts, evaluations.');
  command.summary('judge every packet of a capture by a rule set, or compare rule sets');
  addRuleOptions(command, '; given twice or more, the rule sets are compared');
  command
    .optionsGroup('Captures:')
    .addOption(
      new Option(
        '-r, --read <file...>',
        'files (pcap, pcapng, also .gz and .zst), folders, or - for standard input',
      ).makeOptionMandatory(),
    )
    .addOption(
      new Option('-c, --count <n>', 'stop after this many packets').argParser(wholeNumber('-c', 1, Number.MAX_SAFE_INTEGER)),
    );
  addHostOptions(command);
  addAnnotations(command);
  addProfileOptions(command);
  addOutputOptions(command);
  command
    .optionsGroup('Engine:')
    .addOption(
      new Option('--engine <name>', 'the WebAssembly engine, or the plain interpreter it is held against')
        .choices(['wasm', 'reference'])
        .default('wasm'),
    )
    .option('--no-tree', 'evaluate rule by rule instead of by the decision tree')
    .option('--no-sample', 'cut the tree of many rules for what is expected, not for the first packets of the capture')
    .addOption(
      new Option(
        '--jobs <n>',
        'threads that share the packets; two at most (3 and more are refused) where rules or nf_conntrack_max look at more than one connection, and with --verdicts, --log and --dump-*: one reads, one judges; one thread where there is too little to judge for them to gain; refused with several -R, pipes (-r -), --write and --engine reference',
      )
        .argParser(wholeNumber('--jobs', 1, 64))
        .default(1),
    )
    .helpOption('-h, --help', 'this text');
  withExamples(command, EXAMPLES);
  return command.action(async (options: ReplayOptions) => done(await replay(options, thread)));
}

function checkReadOnce(captures: readonly string[], ruleSets: number): void {
  const once = captures.filter(isReadOnce);
  const named = (path: string): string => (path === '-' ? 'standard input' : path);
  if (ruleSets > 1 && once.length > 0) throw new UsageError(`${named(once[0]!)} can be read once: compare rule sets on files`);
  const twice = once.find((path, index) => once.indexOf(path) !== index);
  if (twice !== undefined) throw new UsageError(`${named(twice)} can be read once`);
}

async function replay(options: ReplayOptions, thread: Worker | undefined): Promise<number> {
  // At once: V8 compiles the module, and threads load their program, while rules are read. Who waits for the module hears what went wrong.
  if (options.engine === 'wasm') engineModule().catch(() => {});
  const started = await startThreads(options.jobs, thread);
  checkOutputs(options);
  checkInputs([...options.read, ...inputsOf(options)]);
  await readAhead(inputsOf(options));
  const { asked, given, rules, told } = await breakable(() => givenBy(options), areLarge(inputsOf(options)));
  if (options.dumpIpset !== undefined && options.ipset === undefined) throw new UsageError('--dump-ipset wants --ipset FILE');
  if (rules.length > 1 && options.path === true) throw new UsageError('--path takes one -R: give each rule set a run of its own');
  if (rules.length > 1 && options.format === 'iptables-save') throw new UsageError('--format iptables-save takes one -R');
  checkOne(options, rules.length);
  const incomparable = whyIncomparable(rules);
  if (incomparable !== undefined) throw new UsageError(incomparable);
  const captures = expandCaptures(options.read);
  checkReadOnce(captures, rules.length);
  checkOverwriting(outputsOf(options), [...captures, ...inputsOf(options)]);
  const threads = options.jobs > 1 ? await threadsFor(options, captures, rules, asked, started, thread) : undefined;
  let isCut = false;
  const onCut = (): void => {
    isCut = true;
  };
  const { value, interrupted } = await interruptible(async (signal) => {
    const samples = options.engine === 'wasm' && options.tree && options.sample;
    const sample = samples ? await sampleFor(captures, rules, options.count) : undefined;
    const { prepared, profile } = await withChecksums(await prepare(captures, rules, given, signal, sample), asked);
    return rules.length > 1
      ? compare({ options, prepared, profile, told, signal, onCut }, rules)
      : single({ options, prepared, profile, told, signal, onCut, ...(threads && { threads }) }, rules[0]!);
  });
  // What came when all was judged interrupts nothing.
  return interrupted && isCut ? EXIT.interrupted : value;
}

function givenBy(options: ReplayOptions) {
  const asked = profileOf(options);
  const given = hostGiven(options);
  const rules = loadRules(options);
  return { asked, given, rules, told: { ...annotationsOf(options), ...fingerprintsOf(options), sets: loadSets(options, rules) } };
}

/** One rule set: report, and verdict lines when asked for. Returns the exit code. */
async function single({ options, prepared, profile, told, signal, onCut, threads }: Task, rules: DualRules): Promise<number> {
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  let isRead = true;
  const onUnread = (): void => {
    isRead = false;
    stop.abort();
  };
  if (signal.aborted) onSignal();
  signal.addEventListener('abort', onSignal);
  const verdicts = options.verdicts === undefined ? undefined : new LineFile('--verdicts', options.verdicts, onUnread);
  const dumps = new Dumps(options, onUnread);
  const log = options.log === undefined ? undefined : new LineFile('--log', options.log, onUnread);
  const written = await packetFile(options, prepared.captures, stop.signal, onUnread);
  const bar = new ProgressBar();
  try {
    const { host } = prepared;
    const tells = verdicts !== undefined || log !== undefined || written !== undefined;
    const job = {
      rules,
      host,
      profile,
      ...told,
      ...(tells ? { packets: { path: options.path === true, logs: log !== undefined, bytes: written !== undefined } } : {}),
    };
    const onPacket = (outcome: PacketOutcome): void => {
      verdicts?.write(verdictLine(outcome));
      written?.judged(outcome);
      for (const logged of outcome.logged ?? []) log?.write(logLine(outcome.time, logged, profile.kernel));
    };
    const outcome = await judged(prepared, job, threads, {
      ...witness(options),
      ...dumps.asks(),
      signal: stop.signal,
      onProgress: (...step) => bar.draw(...step),
      ...(tells ? { onPacket } : {}),
      ...(written === undefined ? {} : { onFrame: (frame: Frame) => written.captured(frame) }),
    });
    bar.clear();
    const { result, damaged, interrupted = false } = outcome;
    if (interrupted) onCut();
    const unread = saysUnread(result);
    if (unread !== undefined) return unread;
    const all = [...(await endNotes({ options, prepared, told }, outcome)), ...(written?.notes() ?? [])];
    verdicts?.flush();
    log?.flush();
    written?.flush();
    dumps.write(outcome);
    const report = buildReport({ rules, host, profile, result, notes: all, ...timing(options, outcome) });
    // The report would be the message beside lines that nobody reads.
    if (!isRead && isAside(options)) return EXIT.unread;
    const damage = damageLines(result.captures);
    await tell(options, render(options, report, rules), { damage, host: report.host.notes, notes: report.notes });
    if (!isRead) return EXIT.unread;
    if (saysUnopened(result.captures)) return EXIT.environment;
    return damaged || saysUnjudged(options, result, interrupted) ? EXIT.damaged : EXIT.ok;
  } finally {
    signal.removeEventListener('abort', onSignal);
    bar.clear();
    verdicts?.close();
    log?.close();
    written?.close();
    dumps.close();
  }
}

/** The file of --write, where it is asked for. */
async function packetFile(
  { write }: ReplayOptions,
  captures: readonly string[],
  signal: AbortSignal,
  onUnread: () => void,
): Promise<PacketFile | undefined> {
  if (write === undefined) return undefined;
  return new PacketFile(write, await announcedLinktypes(captures, signal), onUnread);
}

/** By several threads, or by one: also where they cannot know the whole answer, and then the notes say why it took longer. */
async function judged(
  prepared: Prepared,
  job: Job,
  threads: Threads | Pipeline | undefined,
  given: WitnessOptions,
): Promise<RunOutcome> {
  const options = { ...given, tree: given.tree && (await isTreeWorthwhile(prepared, job.rules, given.limit)) };
  // Rules are compiled before there is anything to wait for.
  const isLong = areMany(job.rules);
  if (threads === undefined) return breakable(() => replayOne(prepared, job, options), isLong);
  const traffic = options.tree ? prepared.sample?.trafficFor(job.rules) : undefined;
  const shared = await breakable(
    () => threads.replay(prepared.captures, job, { ...options, ...(traffic && { traffic }) }),
    isLong,
  );
  if (!('again' in shared)) return shared;
  // What the threads had read before an interrupt is judged; who cannot wait interrupts once more.
  const { signal, ...anew } = options;
  const { again, packets } = shared;
  const outcome = await replayOne(
    prepared,
    job,
    signal?.aborted === true ? { ...anew, ...(packets !== undefined && { limit: packets }) } : options,
  );
  outcome.result.notes.push(`--jobs: ${again}: one thread judged everything anew`);
  return packets === undefined ? outcome : { ...outcome, interrupted: true };
}

function render(options: ReplayOptions, report: Report, rules: DualRules): string {
  if (options.format === 'json') return `${JSON.stringify(report, null, 2)}\n`;
  if (options.format === 'iptables-save') return renderSaved(report, rulesOf(rules));
  return renderText(report, rulesOf(rules), textOptions(options));
}
