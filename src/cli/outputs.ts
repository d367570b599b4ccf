/** Where a replay's answer goes, and how much of it: the options, and which of them go together. */
import { type Command, Option } from 'commander';
import { addDumps, type DumpOptions, dumpsOf } from './dumps.ts';
import { UsageError } from './exit.ts';
import type { Written } from './overwrite.ts';
import { printable, say, writeOut } from './terminal.ts';

export interface OutputOptions extends DumpOptions {
  quiet?: boolean;
  verbose?: boolean;
  format: 'text' | 'json' | 'iptables-save';
  verdicts?: string;
  path?: boolean;
  log?: string;
  write?: string;
}

/** --format, --verdicts, --path, --log, --write, the dumps, -q, -v, --no-timing. */
export function addOutputOptions(command: Command): void {
  command
    .optionsGroup('Output:')
    .addOption(
      new Option('--format <name>', 'what goes to standard output').choices(['text', 'json', 'iptables-save']).default('text'),
    )
    .addOption(
      new Option(
        '--verdicts <file>',
        'one JSON line a packet, of a comparison one a changed packet (- is standard output, the report goes to standard error then)',
      ),
    )
    .option('--path', "with --verdicts: every rule met, in the words of the kernel's TRACE")
    .addOption(
      new Option(
        '--log <file>',
        'what LOG rules write down, in the lines of a syslog file, in UTC (- is standard output, the report goes to standard error then)',
      ),
    )
    .addOption(
      new Option(
        '-w, --write <file>',
        'the accepted packets as rules leave them, as a pcap file (- is standard output, the report goes to standard error then)',
      ),
    );
  addDumps(command);
  command
    .option('-q, --quiet', 'totals only')
    .option('-v, --verbose', 'empty chains, hooks and states too')
    .option('--no-timing', 'leave the speed out (reports become repeatable byte by byte)');
}

/** What tells of one rule set only. */
export function checkOne(options: OutputOptions, ruleSets: number): void {
  if (ruleSets === 1) return;
  const other = outputsOf(options).find(({ option }) => option !== '--verdicts');
  if (other !== undefined) throw new UsageError(`${other.option} takes one -R`);
}

/** The files that will be written. */
export const outputsOf = (options: OutputOptions): Written[] => {
  const written = { '--verdicts': options.verdicts, '--log': options.log, '--write': options.write };
  const packets = Object.entries(written).flatMap(([option, path]) => (path === undefined ? [] : [{ option, path }]));
  return [...packets, ...dumpsOf(options)];
};

/** Only one of them may be data on standard output. */
export function checkOutputs(options: OutputOptions): void {
  const { path, verdicts, format } = options;
  if (path === true && verdicts === undefined) throw new UsageError('--path goes with --verdicts FILE');
  const wanting = [
    ...outputsOf(options).flatMap((each) => (each.path === '-' ? [`${each.option} -`] : [])),
    ...(format === 'text' ? [] : [`--format ${format}`]),
  ];
  if (wanting.length > 1)
    throw new UsageError(`${wanting.slice(0, 2).join(' and ')} both want standard output: give one of them a file`);
}

/** Lines and packets on standard output are data; the report becomes the message beside them, on standard error. */
export const isAside = (options: OutputOptions): boolean => outputsOf(options).some(({ path }) => path === '-');

/** What a report says beside its figures. */
export interface Said {
  damage: readonly string[];
  host: readonly string[];
  notes: readonly string[];
}

/** Writes the report to where it goes. Rules that are saved are read on by tools: what the report says beside them goes to standard error. */
export async function tell(options: OutputOptions, report: string, { damage, host, notes }: Said): Promise<void> {
  if (options.format === 'iptables-save')
    for (const line of [...damage, ...host.map((note) => `host: ${note}`), ...notes.map((note) => `note: ${note}`)])
      say(printable(line));
  if (isAside(options)) process.stderr.write(report);
  else await writeOut(report);
}
