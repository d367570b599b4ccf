/** `wasmtables fuzz`: its options. The work is in fuzz-run.ts, which is loaded when it is wanted (fast-check with it). */
import { Command, Option } from 'commander';
import { findMatch, findTarget } from '../extensions/index.ts';
import { UsageError } from './exit.ts';
import { withExamples } from './help.ts';
import { wholeNumber } from './options.ts';

export interface FuzzOptions {
  seed?: number;
  cases?: number;
  time?: number;
  against: string[];
  only?: string[];
  packets?: number;
  jobs: number;
  corpus?: string;
  path?: string;
  family?: 4 | 6;
  share?: { index: number; of: number };
}

/** Rule sets of a run that is not told how many, or how long. */
export const DEFAULT_CASES = 500;
export const SEEDS = 2 ** 31;

const EXAMPLES = [
  ['wasmtables fuzz', 'the engine against the reference interpreter, for a minute or so'],
  [
    'wasmtables fuzz --time 10m --against reference,engine,legacy,nft',
    'the running kernel judges, under both backends (as root)',
  ],
  ['wasmtables fuzz --against legacy,nft --only tcp,udp', 'what differs between the two backends of iptables'],
  ['wasmtables fuzz --time 8h --jobs 4 --corpus corpus', 'for a night; the next one goes on there'],
] as const;

/** The command; `done` takes the exit code. */
export function fuzzCommand(done: (code: number) => void): Command {
  const command = new Command('fuzz')
    .description('hold random rules and packets against several witnesses, and shrink what differs.')
    .option('--seed <n>', 'repeat a run (random otherwise, always printed)', wholeNumber('--seed', 0, SEEDS))
    .option(
      '--cases <n>',
      `rule sets for each pair of witnesses (${DEFAULT_CASES}, or as many as --time lets)`,
      wholeNumber('--cases', 1, 1e9),
    )
    .option('--time <time>', 'begin nothing new after that long: 90s, 30m, 8h', duration)
    .option(
      '--against <names>',
      'witnesses with commas between them: reference, engine, silent, debug, scalar, linear, legacy, nft, virtual',
      list,
      ['reference', 'engine'],
    )
    .option('--only <names>', 'matches and targets the rules may use, with commas between them', extensionNames)
    .option('--packets <n>', 'packets a rule set', wholeNumber('--packets', 1, 1_000_000))
    .option('--jobs <n>', 'processes', wholeNumber('--jobs', 1, 256), 1)
    .option('--corpus <folder>', 'where the run keeps what it did and found; a later run goes on there')
    .option('--path <path>', 'with --seed: one case again, as a mismatch is told', casePath)
    .addOption(new Option('--family <n>', 'one IP version').choices(['4', '6']).argParser(family))
    .addOption(new Option('--share <i/n>', 'of n processes, the i-th (from 0)').argParser(readShare).hideHelp())
    .action(async (options: FuzzOptions) => {
      const { fuzz } = await import('./fuzz-run.ts');
      done(await fuzz(options));
    });
  return withExamples(command, EXAMPLES);
}

function family(text: string): 4 | 6 {
  if (text !== '4' && text !== '6') throw new UsageError(`--family wants 4 or 6, got "${text}"`);
  return text === '4' ? 4 : 6;
}

function duration(text: string): number {
  const [, number = '', unit = ''] = /^(\d+)(s|m|h)$/.exec(text) ?? [];
  const seconds = { s: 1, m: 60, h: 3600 }[unit];
  if (seconds === undefined) throw new UsageError(`--time wants a time like 90s, 30m or 8h, got "${text}"`);
  return Number(number) * seconds * 1000;
}

/** Numbers with colons between. One more at the end, as a double click takes along, would be another case to fast-check. */
function casePath(text: string): string {
  if (!/^\d+(:\d+)*$/.test(text)) throw new UsageError(`--path wants numbers with colons between, like 8:0:1, got "${text}"`);
  return text;
}

const list = (text: string): string[] => text.split(',').map((word) => word.trim());

function extensionNames(text: string): string[] {
  for (const name of list(text)) {
    const known = ([4, 6] as const).some((family) => findMatch(name, family) ?? findTarget(name, family));
    if (!known) throw new UsageError(`--only: there is no match or target "${name}"`);
  }
  return list(text);
}

function readShare(text: string): { index: number; of: number } {
  const [, index = '', of = ''] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  if (!(Number(index) < Number(of))) throw new UsageError(`--share wants I/N, I less than N, got "${text}"`);
  return { index: Number(index), of: Number(of) };
}
