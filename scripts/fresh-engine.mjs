// Before vitest runs tests, however it was started: no test takes an engine, or a command, that is older than its sources. Where npm test has built, nothing is left to do.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build, buildEngine } from './ready.mjs';

export default async function setup(project) {
  await freshen(project);
  project.onTestsRerun(() => freshen(project));
}

/** The host code takes as long to build as many tests run: only where one of the tests runs what is built of it. */
async function freshen(project) {
  const { testFiles } = await project.globTestFiles(project.vitest.filenamePattern);
  if (takesHostCode(testFiles)) build();
  else buildEngine();
}

/** Some file, or one that it imports beside the sources, names the command or what is built for it. */
export function takesHostCode(files) {
  const known = new Set(files);
  for (const file of known) {
    const text = readFileSync(file, 'utf8');
    if (/\bbin\/wasmtables|\bdist\b/.test(text)) return true;
    for (const [, name] of text.matchAll(/['"](\.{1,2}\/[^'"]+\.(?:ts|mjs))['"]/g)) {
      const path = join(dirname(file), name);
      if (!path.includes('/src/') && existsSync(path)) known.add(path);
    }
  }
  return false;
}
