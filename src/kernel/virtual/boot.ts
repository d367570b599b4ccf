/** One boot of a virtual machine: a folder with a plan in, answers out, and nothing left behind. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KernelError } from '../job.ts';
import { processor } from '../processor.ts';
import { LostRecords } from '../records.ts';
import { namespaceArgv, PATH } from '../session.ts';
import { helper } from './helpers.ts';
import type { Machine } from './kernels.ts';

/** Words every User-Mode Linux gets: the host's root as its own (read-only), the guest as process 1, a quiet console. */
function words(folder: string, more: readonly string[]): string[] {
  return [
    `uml_dir=${folder}`,
    'umid=run',
    'mem=256M',
    'root=/dev/root',
    'rootfstype=hostfs',
    'rootflags=/',
    'ro',
    `init=${helper('guest')}`,
    'con=null',
    'con0=null,fd:1',
    'quiet',
    'panic=-1',
    `WASMTABLES_RUN=${folder}`,
    ...more,
  ];
}

/**
 * Boots, waits for the end, and returns what the guest wrote. `limit`: milliseconds on the wall until the machine is killed whatever it does.
 * It runs in network, mount and process namespaces of its own, bound to one processor: a machine that is killed takes all its processes with it, and what they do by then
 * cannot reach the network of this one. Throws LostRecords when there are no answers, KernelError when the limit was hit.
 */
export async function boot(machine: Machine, start: bigint, plan: Uint8Array, limit: number): Promise<Uint8Array> {
  const folder = mkdtempSync(join(tmpdir(), 'wasmtables-virtual-'));
  try {
    writeFileSync(join(folder, 'plan'), plan);
    const kernel = machine.command(start);
    // The preloaded clock is for the kernel alone: env sets it behind everything else that is started on the way.
    const environment = Object.entries({ PATH, HOME: folder, TMPDIR: folder, ...kernel.env }).map(
      ([name, value]) => `${name}=${value}`,
    );
    const [command = '', ...argv] = namespaceArgv();
    argv.push('taskset', '-c', processor(), 'env', '-i', ...environment, kernel.file, ...words(folder, kernel.words));
    const console = await run(command, argv, limit);
    return answersIn(folder, console);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function answersIn(folder: string, console: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(join(folder, 'answers')));
  } catch {
    throw new LostRecords(`the virtual machine gave no answers: ${console.trim().slice(-500)}`);
  }
}

/** The console's text when the machine is off. */
function run(command: string, argv: readonly string[], limit: number): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(command, argv, { env: { PATH }, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
    let console = '';
    let late = false;
    const listen = (chunk: Buffer): void => {
      if (console.length < 100_000) console += chunk.toString('latin1');
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, limit);
    child.on('error', (error) => fail(new KernelError(`cannot start ${command}: ${error.message}`)));
    child.on('close', () => {
      clearTimeout(timer);
      if (late)
        fail(new KernelError(`the virtual machine was killed at its time limit of ${limit} ms: ${console.trim().slice(-500)}`));
      else done(console);
    });
  });
}
