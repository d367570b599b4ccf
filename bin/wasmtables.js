#!/usr/bin/env node
// The command. CommonJS: Node starts it five milliseconds sooner than a module.
const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { load } = require('./load.js');

const program = join(__dirname, '../dist/joined/main.js');
if (existsSync(program)) {
  load(program)
    .exports.main(process.argv)
    .then((code) => {
      process.exitCode = code;
    });
} else {
  process.stderr.write('wasmtables: it is not built yet; "npm start" does that\n');
  process.exitCode = 4;
}
