'use strict';
// A plugin's commands. It brings no @oclif/core of its own along: a command is a class with a static run() that oclif calls with the
// arguments and the configuration (a larger plugin extends Command of @oclif/core, its own dependency, and gets flags and help).
class Hello {
  static id = 'hello';
  static summary = 'Say hello, from a plugin.';
  static args = {};
  static flags = {};
  static aliases = [];
  static examples = [];
  static strict = false;

  static async run(argv, config) {
    process.stdout.write(`hello ${argv.join(' ') || 'world'} from ${config.bin ?? 'stillframe'}'s plugin\n`);
  }
}

module.exports = { COMMANDS: { hello: Hello } };
