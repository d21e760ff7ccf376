'use strict';
// Loads a bundle of dist/. CommonJS, and nothing else here: Node starts this several milliseconds faster than an ES module.
module.exports = function start(name) {
  try {
    return require(`../dist/${name}.cjs`);
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND' || !error.message.includes(`dist/${name}.cjs`)) throw error;
    process.stderr.write(`Error: ${name} is not built: dist/${name}.cjs is missing. Run 'make' in the source tree\n`);
    process.exit(1);
  }
};
