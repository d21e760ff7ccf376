'use strict';
// Loads a bundle of dist/. CommonJS and compiled with V8's code cache where the build left one for this very Node: a start is
// then about as fast as Node's own. A cache of another Node version or of another bundle is refused by V8 and not used. There is one
// cache for each verb that matters (scripts/build.mjs), with the functions that this verb runs: unpacking them is what a start costs.
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');

module.exports = start;

const VERBS = ['dump', 'restore'];

function start(name, { cacheTo } = {}) {
  const path = join(dirname(__dirname), 'dist', `${name}.cjs`);
  const source = readIfThere(path, 'latin1'); // esbuild writes ASCII
  if (source === undefined) {
    process.stderr.write(`Error: ${name} is not built: ${path} is missing. Run 'make' in the source tree\n`);
    process.exit(1);
  }
  const script = new Script(`(function (exports, require, module, __filename, __dirname, nativeImport) {${source}\n})`, {
    filename: path,
    cachedData: cacheTo === undefined ? readCache(path) : undefined,
  });
  // oclif loads our commands by this path: it must find the module that runs, not load it twice.
  const module = new Module(path, null);
  module.filename = path;
  module.paths = Module._nodeModulePaths(dirname(path));
  module.loaded = true;
  require.cache[path] = module;
  script.runInThisContext().call(module.exports, module.exports, Module.createRequire(path), module, path, dirname(path), nativeImport);
  if (cacheTo !== undefined) process.on('exit', () => require('node:fs').writeFileSync(cacheTo, script.createCachedData()));
  return module.exports;
}

/** The cache of the verb on the command line, else the one of everything else. A wrong guess costs time and nothing else. */
function readCache(path) {
  const verb = process.argv.find((word, i) => i > 1 && VERBS.includes(word));
  return (verb !== undefined && readIfThere(`${path}.${verb}.cache`)) || readIfThere(`${path}.cache`);
}

/** import() for the bundle: a script from the code cache has none of its own. scripts/build.mjs puts this name where oclif loads plugins. */
function nativeImport(specifier) {
  return import(specifier);
}

function readIfThere(path, encoding) {
  try {
    return readFileSync(path, encoding);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}
