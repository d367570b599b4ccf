// Loads a CommonJS file with the code that V8 made of it when it was built, which lies beside it: compiling what a replay needs takes as long as Node's own start.
const { readFileSync } = require('node:fs');
const { createRequire, Module } = require('node:module');
const { dirname } = require('node:path');
const { Script } = require('node:vm');

/** Where the code of a file is for this Node; others look for theirs elsewhere, so that V8 is never given what another one made. */
const codeOf = (file) => `${file}.${process.version}-${process.platform}-${process.arch}.code`;

function readCode(file) {
  try {
    return readFileSync(codeOf(file));
  } catch {
    return undefined;
  }
}

/**
 * What the file at an absolute path, of ASCII, exports, and its script. Code that is not there, or that V8 refuses (for other flags, or of a text of another length), only means that V8 compiles.
 */
function load(file) {
  const cachedData = readCode(file);
  const script = new Script(Module.wrap(readFileSync(file, 'latin1')), { filename: file, cachedData });
  const module = new Module(file);
  module.filename = file;
  require.cache[file] = module;
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
  return { script, exports: module.exports };
}

module.exports = { codeOf, load };
