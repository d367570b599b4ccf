#!/usr/bin/env node
// The command. CommonJS: Node starts it five milliseconds sooner than a module.
const { existsSync, statSync } = require('node:fs');
const { join } = require('node:path');
const { load } = require('./load.js');

/** What a signal does, as soon as the program says it; none is told of before. */
let onSignal = () => {};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => onSignal());

const program = join(__dirname, '../dist/joined/main.js');
// Built last: without it what is there is of another version.
const threadProgram = join(__dirname, '../dist/joined/replay-thread.js');

/** Bytes of all files that the words name, below which no other thread is wanted as a rule (src/replay/worthwhile.ts); where it is, it begins later. */
const LITTLE = 1 << 24;

/** As far as it is to be seen at once: what a folder holds nobody knows yet. */
function bytesNamed(words) {
  let bytes = 0;
  for (const word of words) {
    if (bytes >= LITTLE) break;
    try {
      const stat = statSync(word, { throwIfNoEntry: false });
      bytes += stat === undefined ? 0 : stat.isDirectory() ? LITTLE : stat.size;
    } catch {
      // A word that can be no path.
    }
  }
  return bytes;
}

/** Another thread takes as long to load as the program: where a replay seems to be asked for several, the first begins before the program does, which says whether it is wanted. */
function firstThread([, , command, ...options]) {
  if (command !== 'replay' || !/(^| )--jobs[ =](?!1( |$))/.test(options.join(' '))) return undefined;
  if (bytesNamed(options) < LITTLE && process.env.WASMTABLES_THREADS !== 'always') return undefined;
  const { Worker } = require('node:worker_threads');
  const thread = new Worker(threadProgram);
  thread.unref();
  // Who wants it hears what went wrong; of others nobody does.
  thread.on('error', () => {});
  return thread;
}

if (existsSync(program) && existsSync(threadProgram)) {
  const thread = firstThread(process.argv);
  const { main, interrupted } = load(program).exports;
  onSignal = interrupted;
  main(process.argv, thread).then((code) => {
    process.exitCode = code;
  });
} else {
  process.stderr.write('wasmtables: it is not built yet; "npm start" does that\n');
  process.exitCode = 4;
}
