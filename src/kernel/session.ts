/**
 * A child process in network, mount and process namespaces of its own, which runs commands and injects packets on request.
 * The namespaces, with every process in them, die with the child; the child dies with this process (also by SIGKILL).
 * Requests are done in the order they are made; one may be made before the one before is answered.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { KernelError } from './job.ts';
import { processor } from './processor.ts';
import { AGENT, INJECT_PRIORITY } from './scripts.ts';

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
  /**
   * Like must, of several commands at the same time: most of theirs is waiting for locks and grace periods of the kernel. Answers come in the order of the
   * commands.
   */
  together(commands: readonly (readonly [argv: readonly string[], stdin?: string])[]): Promise<string[]>;
  /** Writes files (sysctls); a failure is a KernelError. */
  write(files: readonly (readonly [path: string, content: string])[]): Promise<void>;
  /** The time inside, nanoseconds since the epoch. */
  time(): Promise<bigint>;
  /** What a file holds; '' when there is none. */
  read(path: string): Promise<string>;
  /**
   * Leaves for new, empty network namespaces (the firewall's, and the wire's for the other ends of its devices); the ones before die with all they held.
   * `limit`: milliseconds until the child is killed whatever it does, unless it may rest before.
   */
  renew(limit: number): Promise<void>;
  /** Ends the time limit. */
  rest(): void;
  /** Brings the wire's ends of the devices up. */
  plug(names: readonly string[]): Promise<void>;
  /** Every message the kernel answers a netlink dump request with. */
  dump(bus: number, request: Uint8Array): Promise<Uint8Array>;
  /** Injects frames; items and answer as INJECTOR of scripts.ts says. */
  inject(items: readonly (string | Uint8Array)[]): Promise<Uint8Array>;
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

/** A child that is killed when its time is over. */
class Child {
  readonly answers = new Answers();
  private readonly process: ChildProcessWithoutNullStreams;
  private timer: NodeJS.Timeout | undefined;
  private late = '';

  constructor(argv: readonly string[]) {
    const [command = '', ...words] = argv;
    this.process = spawn(command, words, { env: ENVIRONMENT, cwd: '/', stdio: 'pipe' });
    let complaint = '';
    this.process.stdout.on('data', (chunk: Buffer) => this.answers.push(chunk));
    this.process.stderr.on('data', (chunk: Buffer) => {
      if (complaint.length < 10_000) complaint += chunk.toString('utf8');
    });
    this.process.stdin.on('error', () => {});
    this.process.on('error', (error) => this.answers.fail(new KernelError(`cannot start ${command}: ${error.message}`)));
    this.process.on('exit', (code, signal) => {
      const why = this.late || `exit ${code ?? signal} ${complaint.trim()}`;
      this.answers.fail(new KernelError(`the namespace child ended: ${why}`));
    });
  }

  send(items: readonly (string | Uint8Array)[]): Promise<Ran> {
    const answer = this.answers.wait();
    this.process.stdin.write(pack(items));
    return answer;
  }

  /** Milliseconds from now until the child is killed; undefined: never. */
  limit(milliseconds: number | undefined): void {
    clearTimeout(this.timer);
    if (milliseconds === undefined) return;
    this.timer = setTimeout(() => {
      this.late = `time limit of ${milliseconds} ms`;
      this.process.kill('SIGKILL');
    }, milliseconds);
  }

  async close(): Promise<void> {
    this.limit(undefined);
    this.process.kill('SIGKILL');
    await gone(this.process);
  }
}

/** The requests of a session as the agent knows them. */
function requests(child: Child): Session {
  const must = async (what: string, items: readonly (string | Uint8Array)[]): Promise<Uint8Array> => {
    const { exit, stdout, stderr } = await child.send(items);
    const text = stderr || Buffer.from(stdout).toString('utf8');
    if (exit !== 0) throw new KernelError(`${what}: exit ${exit}: ${text.trim()}`);
    return stdout;
  };
  const text = async (...given: Parameters<typeof must>) => Buffer.from(await must(...given)).toString('utf8');
  return {
    run: (argv, stdin = '') => child.send(['R', stdin, ...argv]),
    must: (argv, stdin = '') => text(argv.join(' '), ['R', stdin, ...argv]),
    together(commands) {
      const last = commands.length - 1;
      return Promise.all(commands.map(([argv, stdin = ''], i) => text(argv.join(' '), [i < last ? 'S' : 'R', stdin, ...argv])));
    },
    async write(files) {
      await must('cannot write', ['W', ...files.flat()]);
    },
    time: async () => Buffer.from(await must('time', ['T'])).readBigUInt64LE(0),
    read: (path) => text(path, ['G', path]),
    async renew(limit) {
      child.limit(limit);
      // The agent's own limit is behind this one: it is for the case that this process cannot keep it.
      await Promise.all([must('limit', ['A', String(Math.ceil(limit / 1000) + 5)]), must('namespaces', ['F'])]);
    },
    rest: () => child.limit(undefined),
    async plug(names) {
      await must('wire', ['P', ...names]);
    },
    dump: (bus, request) => must('netlink', ['Q', String(bus), request]),
    inject: (items) => must('injector', ['I', ...items]),
    close: () => child.close(),
  };
}

/** Milliseconds a child may take to come up. */
const START_LIMIT = 20_000;

/** Starts the child, in namespaces of its own and bound to one processor. Throws KernelError when they cannot be made. */
export async function openSession(): Promise<Session> {
  const parent = link('/proc/self/ns/net');
  const agent = ['perl', '-e', AGENT, parent, link('/proc/1/ns/net'), String(INJECT_PRIORITY)];
  const child = new Child([...namespaceArgv(), 'taskset', '-c', processor(), ...agent]);
  child.limit(START_LIMIT);
  try {
    const hello = await child.answers.wait();
    const own = Buffer.from(hello.stdout).toString('utf8');
    if (own === '' || own === parent) throw new KernelError('the child is not in a namespace of its own');
    child.limit(undefined);
  } catch (error) {
    await child.close();
    throw error;
  }
  return requests(child);
}
