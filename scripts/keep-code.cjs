// node scripts/keep-code.cjs: replays the seed scenario and keeps the code that V8 made for it, beside dist/joined/main.js, for bin/load.js.
const { readFileSync, renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { codeOf, load } = require('../bin/load.js');

const root = join(__dirname, '..');
const program = join(root, 'dist/joined/main.js');
const seed = join(root, 'pcaps/seed');
const replay = ['replay', '-R', join(seed, 'server-mail-web-dns.rules.v4'), '-r', join(seed, 'traffic.pcap')];

// bin/load.js reads a byte as a character.
if (/[^\0-\x7f]/.test(readFileSync(program, 'utf8'))) throw new Error(`${program} is not ASCII`);

const { script, exports: loaded } = load(program);
loaded.main([process.execPath, 'wasmtables', ...replay]).then((code) => {
  if (code !== 0) throw new Error(`the replay ended with ${code}`);
  // Whole or not at all: V8 looks at its length and believes the rest.
  const unfinished = `${codeOf(program)}.${process.pid}`;
  writeFileSync(unfinished, script.createCachedData());
  renameSync(unfinished, codeOf(program));
});
