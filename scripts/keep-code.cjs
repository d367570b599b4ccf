// node scripts/keep-code.cjs: replays a capture and keeps the code that V8 made for it, beside dist/joined/main.js, for bin/load.js.
const { readFileSync, renameSync, rmSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { gzipSync } = require('node:zlib');
const { codeOf, keptOf, load } = require('../bin/load.js');

const root = join(__dirname, '..');
const program = join(root, 'dist/joined/main.js');
const rules = join(root, 'pcaps/seed/server-mail-web-dns.rules.v4');
const traffic = join(root, 'pcaps/seed/traffic.pcap');
/** The same: nobody knows how much there is in it, so a tree is grown. */
const packed = join(root, 'dist/joined/traffic.pcap.gz');

async function keep() {
  // bin/load.js reads a byte as a character.
  const text = readFileSync(program);
  if (text.some((byte) => byte > 0x7f)) throw new Error(`${program} is not ASCII`);
  const { script, exports: loaded } = load(program);
  writeFileSync(packed, gzipSync(readFileSync(traffic)));
  for (const capture of [traffic, packed]) {
    const code = await loaded.main([process.execPath, 'wasmtables', 'replay', '-R', rules, '-r', capture]);
    if (code !== 0) throw new Error(`the replay of ${capture} ended with ${code}`);
  }
  rmSync(packed);
  // Whole or not at all: V8 looks at its length and believes the rest.
  const unfinished = `${codeOf(program)}.${process.pid}`;
  writeFileSync(unfinished, keptOf(script.createCachedData(), text));
  renameSync(unfinished, codeOf(program));
}

keep();
