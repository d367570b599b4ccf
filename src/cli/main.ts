/** The command line: one file a command, this one only knows their names and what an error means. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { Command, CommanderError } from 'commander';
import { HostError } from '../model/errors.ts';
import { CaptureOpenError } from '../replay/open.ts';
import { EXIT, NobodyReads, UsageError } from './exit.ts';
import { fuzzCommand } from './fuzz.ts';
import { styledHelp, withExamples } from './help.ts';
import { Interrupted, NOTHING_JUDGED } from './interrupts.ts';
import { refuseNameless, refuseTwice, unknownFirst } from './options.ts';
import { replayCommand } from './replay.ts';
import { RuleFileError } from './rules.ts';
import { printable, say } from './terminal.ts';
import { traceCommand } from './trace.ts';

const EXAMPLES = [
  ['wasmtables replay -R rules.v4 -r capture.pcap', 'what every rule did to the packets of the capture'],
  ['wasmtables replay -R old.v4 -R new.v4 -r capture.pcap', 'which packets fare differently under the new rules'],
  ['wasmtables trace -R rules.v4 -r capture.pcap --packet 7', 'why packet 7 was dropped, rule by rule'],
] as const;

const EXIT_CODES = `
Exit codes:
  0    fine
  1    verdicts differ between rule sets, or fuzz found witnesses that differ
  2    wrong usage, or an error in the rules
  3    a capture is damaged, or nothing in it could be judged; what could be is reported
  4    the environment: a file that cannot be opened (other captures are reported), no kernel to ask
  70   an internal error, which is a bug
  130  interrupted; what was judged by then is reported
  141  nobody reads standard output any more (| head), as for tools that SIGPIPE ends

"wasmtables COMMAND --help" tells everything about a command.`;

/** Errors of a rule file that are shown at once. */
const MOST_ERRORS = 10;

const version = (): string =>
  (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;

function program(done: (code: number) => void, thread: Worker | undefined): Command {
  const root = new Command('wasmtables');
  root
    .description(
      'Replays packet captures against iptables rule sets and says, packet by packet, what a named Linux kernel would have done.',
    )
    .usage('COMMAND [options]')
    .version(version(), '-V, --version', 'the version')
    .helpOption('-h, --help', 'this text')
    .helpCommand('help [command]', 'what --help of a command says')
    .showHelpAfterError('(wasmtables --help tells more)');
  withExamples(root, EXAMPLES).addHelpText('after', EXIT_CODES);
  for (const command of [replayCommand(done, thread), traceCommand(done), fuzzCommand(done)]) root.addCommand(command);
  for (const command of [root, ...root.commands]) {
    styledHelp(command).exitOverride();
    refuseTwice(command);
    refuseNameless(command);
    unknownFirst(command);
  }
  return root;
}

export { interrupted } from './interrupts.ts';

/** Runs the command line `argv` (as process.argv); resolves to the exit code. `thread`: one that began to load before (bin/wasmtables.js). */
export async function main(argv: readonly string[], thread?: Worker): Promise<number> {
  // The writer is told by its callback (terminal.ts); an unheard event would end the process with a stack trace.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  let code: number = EXIT.ok;
  try {
    await program((value) => {
      code = value;
    }, thread).parseAsync(argv);
    return code;
  } catch (error) {
    return explain(error);
  }
}

/** Says what went wrong, in one way for all commands; returns the exit code. */
function explain(error: unknown): number {
  if (error instanceof NobodyReads) return EXIT.unread;
  if (error instanceof Interrupted) {
    say(NOTHING_JUDGED);
    return EXIT.interrupted;
  }
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof RuleFileError) {
    for (const one of error.errors.slice(0, MOST_ERRORS)) say(printable(one.format()));
    const more = error.errors.length - MOST_ERRORS;
    if (more > 0) say(`... and ${more} more`);
    return EXIT.usage;
  }
  if (error instanceof HostError) {
    say(printable(error.position === undefined ? `wasmtables: ${error.format()}` : error.format()));
    return EXIT.usage;
  }
  if (error instanceof UsageError) {
    say(`wasmtables: ${error.message}`);
    return EXIT.usage;
  }
  if (error instanceof CaptureOpenError) {
    say(`wasmtables: ${error.message}`);
    return EXIT.environment;
  }
  if (isSystemError(error)) {
    say(`wasmtables: ${inWords(error)}`);
    return EXIT.environment;
  }
  if (isOutOfMemory(error)) {
    say(
      `wasmtables: there is not enough memory (${(error as Error).message}); an engine wants up to 10 GB of addresses (ulimit -v), of which it uses few`,
    );
    return EXIT.environment;
  }
  say(`wasmtables: internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  say('This is a bug of wasmtables. Please report it with the rules and the capture.');
  return EXIT.internal;
}

/** What V8 and the engine say when there is no room for a memory, or more of one. */
const isOutOfMemory = (error: unknown): boolean =>
  (error instanceof RangeError && /allocate (wasm )?memory|allocation failed/i.test(error.message)) ||
  (error instanceof Error && /^out of memory/.test(error.message));

const SYSTEM_WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EISDIR: 'this is a folder, not a file',
  ENOENT: 'no such file',
  ENOSPC: 'no room left on the device',
  ENOTDIR: 'a part of the path is no folder',
  EROFS: 'the file system cannot be written to',
};

/** What the system says, in words and with the file it says it about, and the option that named that. */
function inWords(error: NodeJS.ErrnoException & { dest?: string; option?: string }): string {
  const { code = '', message, path, dest, syscall = '', option } = error;
  const nameless = syscall.startsWith('write') ? 'an output' : 'standard input';
  const file = dest ?? path ?? nameless;
  const name = option === undefined ? file : `${option}: ${file}`;
  if (code === 'ENOENT' && !existsSync(dirname(file))) return `${name}: there is no folder ${dirname(file)}`;
  const words = SYSTEM_WORDS[code];
  return words === undefined ? message : `${name}: ${words}`;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}
