// node scripts/keep-code.cjs: replays a capture and keeps the code that V8 made for it, beside dist/joined/main.js, for bin/load.js.
const { readFileSync, renameSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { codeOf, load } = require('../bin/load.js');

const root = join(__dirname, '..');
const program = join(root, 'dist/joined/main.js');
const traffic = join(root, 'pcaps/seed/traffic.pcap');
/** By the few rules of the seed scenario, one by one, and by those of ufw, which are enough for a tree. */
const RULES = ['pcaps/seed/server-mail-web-dns.rules.v4', 'pcaps/generated/ufw.rules.v4'];

async function keep() {
  // bin/load.js reads a byte as a character.
  if (/[^\0-\x7f]/.test(readFileSync(program, 'utf8'))) throw new Error(`${program} is not ASCII`);
  const { script, exports: loaded } = load(program);
  for (const rules of RULES) {
    const code = await loaded.main([process.execPath, 'wasmtables', 'replay', '-R', join(root, rules), '-r', traffic]);
    if (code !== 0) throw new Error(`the replay by ${rules} ended with ${code}`);
  }
  // Whole or not at all: V8 looks at its length and believes the rest.
  const unfinished = `${codeOf(program)}.${process.pid}`;
  writeFileSync(unfinished, script.createCachedData());
  renameSync(unfinished, codeOf(program));
}

keep();
