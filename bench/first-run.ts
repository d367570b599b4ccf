/** A process of first.ts: reads and compiles a file of rules once, and tells how many milliseconds each took. */
import { readFileSync } from 'node:fs';
import { compile } from '../src/compile/index.ts';
import { buildHost } from '../src/model/host-build.ts';
import { DEFAULT_PROFILE } from '../src/model/profile.ts';
import { parseSave } from '../src/syntax/index.ts';
import { SERVER } from './traffic.ts';

const [, , file = ''] = process.argv;
const text = readFileSync(file, 'utf8');
const host = buildHost({ local: [SERVER], in: 'eth0' });
// Node loads its clock when it is first asked for.
performance.now();
const started = performance.now();
const rules = parseSave(text, { file, family: 4 });
const read = performance.now();
compile({ rules: { 4: rules }, host, profile: DEFAULT_PROFILE });
console.log(JSON.stringify({ read: read - started, compiled: performance.now() - read }));
