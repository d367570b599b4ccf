// Loads a CommonJS file with the code that V8 made of it when it was built, which lies beside it: compiling what a replay needs takes as long as Node's own start.
const { readFileSync } = require('node:fs');
const { createRequire, Module } = require('node:module');
const { dirname } = require('node:path');
const { Script } = require('node:vm');

/** Where the code of a file is for this Node; others look for theirs elsewhere, so that V8 is never given what another one made. */
const codeOf = (file) => `${file}.${process.version}-${process.platform}-${process.arch}.code`;

/** What is kept of a file: the code, and the text it was made of, for V8 itself compares no more than its length. */
const keptOf = (code, text) => Buffer.concat([code, text]);

/** The code of a text, if it is there. */
function readCode(file, text) {
  try {
    const kept = readFileSync(codeOf(file));
    const place = kept.length - text.length;
    return place > 0 && kept.subarray(place).equals(text) ? kept.subarray(0, place) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * What the file at an absolute path, of ASCII, exports, and its script. Code that is not there, or is of another text, or that V8 refuses (for other flags), only means that V8 compiles.
 */
function load(file) {
  const text = readFileSync(file);
  const script = new Script(Module.wrap(text.toString('latin1')), { filename: file, cachedData: readCode(file, text) });
  const module = new Module(file);
  module.filename = file;
  require.cache[file] = module;
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
  return { script, exports: module.exports };
}

module.exports = { codeOf, keptOf, load };
