// Counts the work of reading rules: V8 counts for coverage what is compiled after it was told to, so this is a thread of its own that loads the built reader itself.
import { Session } from 'node:inspector';
import { parentPort } from 'node:worker_threads';

const session = new Session();
session.connect();
session.post('Profiler.enable');
session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
const { parseRulesAll, parseSaveAll, parseScriptAll } = await import('../../dist/syntax/index.js');

/** Runs of functions and blocks of dist/ since it was asked last. */
function counted() {
  let sum = 0;
  session.post('Profiler.takePreciseCoverage', (error, { result }) => {
    if (error !== null) throw error;
    const ours = result.filter(({ url }) => /\/dist\/[a-z]+\//.test(url)).flatMap(({ functions }) => functions);
    for (const { ranges } of ours) for (const { count } of ranges) sum += count;
  });
  return sum;
}

const options = { file: 'rules', family: 4, repair: true, unsupported: 'assume-miss' };

parentPort.on('message', (texts) => {
  counted();
  for (const text of texts) {
    parseRulesAll(text, options);
    parseSaveAll(text, options);
    parseScriptAll(text, options);
  }
  parentPort.postMessage(counted());
});
