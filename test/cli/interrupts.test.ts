/** Ctrl-C, SIGTERM and SIGHUP at any moment of a replay: what was judged is told, or that nothing was. */
import { type ChildProcess, execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { command, type Ran, ROOT } from './command.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmtables-interrupts-'));
afterAll(() => rmSync(folder, { recursive: true }));

const RULES = join(ROOT, 'pcaps/seed/server-dns-web-mail.rules.v4');
const CAPTURE = join(ROOT, 'pcaps/seed/traffic.pcap');
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const NOTHING = 'wasmtables: interrupted before anything was judged\n';

let pipes = 0;

/** A named pipe. */
function pipe(): string {
  const path = join(folder, `pipe${pipes++}`);
  execFileSync('mkfifo', [path]);
  return path;
}

/** The writing end, as soon as somebody reads: for a process it is a sign of how far it is. */
async function reached(path: string): Promise<number> {
  for (;;) {
    try {
      return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Runs the command, and does something as soon as it reads a pipe, whose writing end is closed when it ends. */
async function whenReached(path: string, args: string[], then: (child: ChildProcess, writing: number) => unknown): Promise<Ran> {
  let writing = -1;
  const ran = command(args, {
    running: (child) => {
      void reached(path).then((descriptor) => {
        writing = descriptor;
        return then(child, descriptor);
      });
    },
  });
  try {
    return await ran;
  } finally {
    closeSync(writing);
  }
}

describe.each(SIGNALS)('%s', (signal) => {
  test.each([[[]], [['--jobs', '2']], [['--jobs', '3']], [['--engine', 'reference']]])(
    'while it waits for its rules (%j)',
    async (args) => {
      const rules = pipe();
      const ran = await whenReached(rules, ['replay', '-R', rules, '-r', CAPTURE, ...args], (child) => child.kill(signal));
      expect(ran).toEqual({ code: 130, signal: null, stdout: '', stderr: NOTHING });
    },
  );

  test('while trace waits for them', async () => {
    const rules = pipe();
    const args = ['trace', '-R', rules, '-r', CAPTURE, '--packet', '7'];
    const ran = await whenReached(rules, args, (child) => child.kill(signal));
    expect(ran).toEqual({ code: 130, signal: null, stdout: '', stderr: NOTHING });
  });

  test('in the middle of a pipe', async () => {
    const capture = pipe();
    const args = ['replay', '-R', RULES, '--local', '10.0.0.2', '--format', 'json', '-r', CAPTURE, capture];
    const { code, stdout, stderr } = await whenReached(capture, args, (child, writing) => {
      writeSync(writing, readFileSync(CAPTURE).subarray(0, 30_000));
      setTimeout(() => child.kill(signal), 500);
    });
    expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
    const { packets, notes } = JSON.parse(stdout) as { packets: number; notes: string[] };
    expect(packets).toBeGreaterThan(3212);
    expect(notes[0]).toMatch(/^interrupted behind packet 3,\d\d\d \(packet \d+ of .*pipe\d+\): what follows it was not judged$/);
  });
});

/** They take seconds. */
const MANY = `*filter\n${Array.from({ length: 60_000 }, (_, i) => `-A INPUT -s 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32 -p tcp -m tcp --dport ${i} -j ACCEPT\n`).join('')}COMMIT\n`;

test.each([[[]], [['--jobs', '2']]])('Ctrl-C does not wait until many rules are read and compiled (%j)', async (args) => {
  const rules = pipe();
  const capture = join(folder, 'many.pcap');
  const bytes = readFileSync(CAPTURE);
  writeFileSync(capture, Buffer.concat([bytes, ...Array.from({ length: 40 }, () => bytes.subarray(24))]));
  const all = ['replay', '-R', rules, '--local', '10.0.0.2', '-r', capture, ...args];
  const ran = await whenReached(rules, all, async (child) => {
    execFileSync('bash', ['-c', 'cat > "$0"', rules], { input: MANY });
    setTimeout(() => child.kill('SIGINT'), 400);
  });
  // Behind the rules it would be a report, with a note.
  expect(ran).toEqual({ code: 130, signal: null, stdout: '', stderr: NOTHING });
});

// Those that come while the event loop has no turn are one.
test('a second Ctrl-C ends it at once', async () => {
  const many = Array.from({ length: 300 }, () => CAPTURE);
  // The second rule set would be asked about what the first was: some seconds.
  const args = ['replay', '-R', RULES, '-R', RULES, '--engine', 'reference', '--local', '10.0.0.2', '-r', ...many];
  const { stdout } = await command(args, {
    running: (child) => {
      for (const after of [0, 600, 1200, 1800]) setTimeout(() => child.kill('SIGINT'), 4000 + after);
    },
  });
  expect(stdout).toBe('');
});

test('two that are one, as timeout sends them, are', async () => {
  const capture = pipe();
  const args = ['replay', '-R', RULES, '--local', '10.0.0.2', '-q', '-r', CAPTURE, capture];
  const { code, signal, stdout } = await whenReached(capture, args, (child) => {
    setTimeout(() => {
      child.kill('SIGTERM');
      child.kill('SIGTERM');
    }, 500);
  });
  expect(stdout).toMatch(/^note: interrupted behind packet 3,212/m);
  // On a very busy machine the second comes when Node has done with signals.
  expect(signal === 'SIGTERM' ? 130 : code).toBe(130);
});
