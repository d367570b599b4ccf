/**
 * A child process in network, mount and process namespaces of its own, which runs commands on request.
 * The namespaces, with every process in them, die with the child; the child dies with this process (also by SIGKILL).
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { KernelError } from './job.ts';
import { AGENT } from './scripts.ts';

export interface Ran {
  exit: number;
  stdout: Uint8Array;
  stderr: string;
}

export interface Session {
  /** Runs `argv` without a shell, `stdin` as its standard input. Rejects with KernelError when the session is gone. */
  run(argv: readonly string[], stdin?: string | Uint8Array): Promise<Ran>;
  /** Like run, but a non-zero exit is a KernelError that carries the standard error. */
  must(argv: readonly string[], stdin?: string | Uint8Array): Promise<string>;
  /** Writes files (sysctls, scripts); a failure is a KernelError. */
  write(files: readonly (readonly [path: string, content: string])[]): Promise<void>;
  /** Kills everything in the namespaces and waits until the child is gone. */
  close(): Promise<void>;
}

export const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The environment of everything that runs inside. */
const ENVIRONMENT = { PATH, LC_ALL: 'C', LANG: 'C', XTABLES_LOCKFILE: '/run/xtables.lock', HOME: '/' };

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** The command line of the child: it gets SIGKILL when this process ends, and takes everything inside with it. */
export function namespaceArgv(): string[] {
  // Two steps without root: a network namespace made before its user namespace has a uid map keeps files of /proc/net from us.
  const user = process.getuid?.() === 0 ? [] : ['unshare', '--user', '--map-root-user'];
  const unshare = ['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  return [...user, 'setpriv', '--pdeathsig', 'KILL', ...unshare];
}

function pack(items: readonly (string | Uint8Array)[]): Buffer {
  const parts: Buffer[] = [];
  for (const item of items) {
    const bytes = typeof item === 'string' ? Buffer.from(item, 'utf8') : Buffer.from(item);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    parts.push(length, bytes);
  }
  const body = Buffer.concat(parts);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body]);
}

/** Splits the agent's stream of answers. */
class Answers {
  private pending: Buffer[] = [];
  private size = 0;
  private waiting: { done: (ran: Ran) => void; fail: (error: Error) => void }[] = [];
  private dead: Error | undefined;

  push(chunk: Buffer): void {
    this.pending.push(chunk);
    this.size += chunk.length;
    for (let ran = this.next(); ran !== undefined; ran = this.next()) this.waiting.shift()?.done(ran);
  }

  fail(error: Error): void {
    this.dead ??= error;
    for (const waiter of this.waiting.splice(0)) waiter.fail(this.dead);
  }

  wait(): Promise<Ran> {
    if (this.dead !== undefined) return Promise.reject(this.dead);
    return new Promise((done, fail) => this.waiting.push({ done, fail }));
  }

  private need(bytes: number): Buffer | undefined {
    if (this.size < bytes) return undefined;
    const head = this.pending[0];
    if (head !== undefined && head.length >= bytes) return head;
    const all = Buffer.concat(this.pending);
    this.pending = [all];
    return all;
  }

  private next(): Ran | undefined {
    const head = this.need(8);
    if (head === undefined) return undefined;
    const exit = head.readUInt32LE(0);
    const outSize = head.readUInt32LE(4);
    const middle = this.need(12 + outSize);
    if (middle === undefined) return undefined;
    const errSize = middle.readUInt32LE(8 + outSize);
    const total = 12 + outSize + errSize;
    const all = this.need(total);
    if (all === undefined) return undefined;
    const first = all === this.pending[0] ? all : Buffer.concat(this.pending);
    this.pending = [first.subarray(total), ...this.pending.slice(1)];
    this.size -= total;
    return {
      exit,
      stdout: new Uint8Array(first.subarray(8, 8 + outSize)),
      stderr: first.subarray(12 + outSize, total).toString('utf8'),
    };
  }
}

function gone(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((done) => child.once('exit', () => done()));
}

/** Starts the child. `limit`: milliseconds until it is killed whatever it does. Throws KernelError when no namespace can be made. */
export async function openSession(limit: number): Promise<Session> {
  const [command, ...words] = namespaceArgv();
  const parent = link('/proc/self/ns/net');
  const argv = [...words, 'perl', '-e', AGENT, parent, link('/proc/1/ns/net')];
  const child = spawn(command ?? 'setpriv', argv, { env: ENVIRONMENT, cwd: '/', stdio: 'pipe' });
  const answers = new Answers();
  let complaint = '';
  let late = false;
  child.stdout.on('data', (chunk: Buffer) => answers.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    if (complaint.length < 10_000) complaint += chunk.toString('utf8');
  });
  child.stdin.on('error', () => {});
  child.on('error', (error) => answers.fail(new KernelError(`cannot start ${command}: ${error.message}`)));
  child.on('exit', (code, signal) => {
    const why = late ? `time limit of ${limit} ms` : `exit ${code ?? signal} ${complaint.trim()}`;
    answers.fail(new KernelError(`the namespace child ended: ${why}`));
  });
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, limit);
  const send = (items: readonly (string | Uint8Array)[]): Promise<Ran> => {
    const answer = answers.wait();
    child.stdin.write(pack(items));
    return answer;
  };
  const session: Session = {
    run: (argv, stdin = '') => send(['R', stdin, ...argv]),
    async must(argv, stdin = '') {
      const ran = await session.run(argv, stdin);
      const text = Buffer.from(ran.stdout).toString('utf8');
      if (ran.exit !== 0) throw new KernelError(`${argv.join(' ')}: exit ${ran.exit}: ${(ran.stderr || text).trim()}`);
      return text;
    },
    async write(files) {
      const ran = await send(['W', ...files.flat()]);
      if (ran.exit !== 0) throw new KernelError(`cannot write ${ran.stderr}`);
    },
    async close() {
      clearTimeout(timer);
      child.kill('SIGKILL');
      await gone(child);
    },
  };
  try {
    const hello = await answers.wait();
    const own = Buffer.from(hello.stdout).toString('utf8');
    if (own === '' || own === parent) throw new KernelError('the child is not in a namespace of its own');
    await send(['A', String(Math.ceil(limit / 1000) + 5)]);
  } catch (error) {
    await session.close();
    throw error;
  }
  return session;
}
