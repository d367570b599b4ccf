/** Runs the command line: in this process (fast), or as a child process (exit codes, streams and signals for real). */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BIN = `${ROOT}bin/wasmtables.js`;

export interface Ran {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface ChildOptions {
  input?: Uint8Array;
  env?: Record<string, string>;
  /** Called when the process runs; its standard input stays open then until the test ends it. */
  running?: (child: ChildProcess) => void;
  cwd?: string;
}

/** Longer than this is a hang. */
const HANG = 30_000;

/** bin/wasmtables.js with these arguments. A process that does not end is killed, and the promise fails. */
export function command(args: readonly string[], options: ChildOptions = {}): Promise<Ran> {
  return run(process.execPath, [BIN, ...args], options);
}

/** A line of shell; `wasmtables` is the command. */
export function shell(line: string, options: ChildOptions = {}): Promise<Ran> {
  return run('bash', ['-c', `wasmtables() { "${process.execPath}" "${BIN}" "$@"; }; ${line}`], options);
}

function run(file: string, args: readonly string[], options: ChildOptions): Promise<Ran> {
  // Threads that are asked for are there, however little there is to judge.
  const env: Record<string, string | undefined> = { ...process.env, WASMTABLES_THREADS: 'always', ...options.env };
  delete env.FORCE_COLOR;
  const child = spawn(file, args, { cwd: options.cwd ?? ROOT, env });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  child.stdin.on('error', () => {});
  if (options.running === undefined) child.stdin.end(options.input);
  else options.running(child);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`hangs: ${args.join(' ')}\n${stdout}\n${stderr}`));
    }, HANG);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr });
    });
  });
}
