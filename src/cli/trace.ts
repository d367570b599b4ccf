/** `wasmtables trace`: the way of one packet, rule by rule, and why each rule missed or matched. */
import { Command, Option } from 'commander';
import { withChecksums } from '../replay/offload.ts';
import { expandCaptures, isReadOnce } from '../replay/open.ts';
import { forEachFrame, prepare } from '../replay/replay.ts';
import { renderExplanation, traceDocument } from '../report/explanation.ts';
import { plural } from '../report/style.ts';
import { EXIT, UsageError } from './exit.ts';
import { areLarge } from './files.ts';
import { withExamples } from './help.ts';
import { breakable } from './interrupts.ts';
import {
  addAnnotations,
  addHostOptions,
  addProfileOptions,
  addRuleOptions,
  annotationsOf,
  checkInputs,
  type HostOptions,
  hostGiven,
  inputsOf,
  type ProfileOptions,
  profileOf,
  type RuleOptions,
  wholeNumber,
} from './options.ts';
import { readAhead } from './read-ahead.ts';
import { fingerprintsOf, loadRules, loadSets } from './rules.ts';
import { outputStyle, say, writeOut } from './terminal.ts';

interface TraceOptions extends RuleOptions, HostOptions, ProfileOptions {
  read: string[];
  packet: number;
  format: 'text' | 'json';
}

const EXAMPLES = [
  ['wasmtables trace -R rules.v4 -r capture.pcap --packet 7', 'every rule packet 7 met, and which of its options decided'],
  ['wasmtables trace -R rules.v4 -r capture.pcap --packet 7 --backend nft', 'the same under iptables-nft'],
  ['wasmtables trace -R rules.v4 -r capture.pcap --packet 7 --format json', 'the same for programs'],
] as const;

/** The command; `done` takes the exit code. */
export function traceCommand(done: (code: number) => void): Command {
  const command = new Command('trace').usage('-R RULES -r CAPTURE --packet N [options]');
  command.description('Shows the way of one packet, rule by rule: why each rule missed or matched.');
  command.summary('show the way of one packet, rule by rule');
  addRuleOptions(command);
  command
    .optionsGroup('Captures:')
    .addOption(new Option('-r, --read <file...>', 'files (pcap, pcapng, also .gz and .zst) or folders').makeOptionMandatory())
    .addOption(
      new Option('--packet <n>', 'which packet, from 1; those before it are replayed, so that its connection is known')
        .argParser(wholeNumber('--packet', 1, Number.MAX_SAFE_INTEGER))
        .makeOptionMandatory(),
    );
  addHostOptions(command);
  addAnnotations(command);
  addProfileOptions(command);
  command
    .optionsGroup('Output:')
    .addOption(new Option('--format <name>', 'what goes to standard output').choices(['text', 'json']).default('text'))
    .helpOption('-h, --help', 'this text');
  withExamples(command, EXAMPLES);
  return command.action(async (options: TraceOptions) => done(await trace(options)));
}

async function trace(options: TraceOptions): Promise<number> {
  checkInputs(inputsOf(options));
  await readAhead(inputsOf(options));
  const [rules, ...others] = await breakable(() => loadRules(options), areLarge(inputsOf(options)));
  if (rules === undefined || others.length > 0) throw new UsageError('trace takes one -R');
  const captures = expandCaptures(options.read);
  if (captures.some(isReadOnce)) throw new UsageError('trace reads the capture twice: give it a file');
  const asked = profileOf(options);
  const { prepared, profile } = await withChecksums(await prepare(captures, [rules], hostGiven(options)), asked);
  const { host, notes = [] } = prepared;
  const told = { ...annotationsOf(options), ...fingerprintsOf(options), sets: loadSets(options, [rules]) };
  // Loaded when it is wanted: no replay needs the interpreter.
  const { Explainer } = await import('../reference/index.ts');
  const explainer = new Explainer({ rules, host, profile, ...told }, options.packet);
  let packets = 0;
  await forEachFrame(captures, (frame) => {
    packets++;
    return explainer.frame(frame);
  });
  const explanation = explainer.result();
  if (explanation === undefined) throw new UsageError(`--packet ${options.packet}: the capture has ${plural(packets, 'packet')}`);
  if (options.format === 'json') {
    await writeOut(`${JSON.stringify(traceDocument(explanation, host.notes), null, 2)}\n`);
    return EXIT.ok;
  }
  for (const note of host.notes) say(`host: ${note}`);
  for (const note of notes) say(`note: ${note}`);
  await writeOut(renderExplanation(explanation, outputStyle()));
  return EXIT.ok;
}
