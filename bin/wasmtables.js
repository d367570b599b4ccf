#!/usr/bin/env node
import { existsSync } from 'node:fs';

const program = new URL('../dist/joined/main.js', import.meta.url);
if (existsSync(program)) {
  const { main } = await import(program.href);
  process.exitCode = await main(process.argv);
} else {
  process.stderr.write('wasmtables: it is not built yet; "npm start" does that\n');
  process.exitCode = 4;
}
