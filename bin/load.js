// Loads a CommonJS file with the code that V8 made of it when it was built, beside it in FILE.code: compiling what a replay needs takes as long as Node's own start.
const { readFileSync } = require('node:fs');
const { createRequire, Module } = require('node:module');
const { dirname } = require('node:path');
const { Script } = require('node:vm');

function readCode(file) {
  try {
    return readFileSync(`${file}.code`);
  } catch {
    return undefined;
  }
}

/**
 * What the file at an absolute path, of ASCII, exports, and its script. Code that another version of V8 made, or none, only means that V8 compiles.
 */
exports.load = function load(file) {
  const cachedData = readCode(file);
  const script = new Script(Module.wrap(readFileSync(file, 'latin1')), { filename: file, cachedData });
  const module = new Module(file);
  module.filename = file;
  require.cache[file] = module;
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
  return { script, exports: module.exports };
};
