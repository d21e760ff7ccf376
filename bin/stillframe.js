#!/usr/bin/env node
'use strict';
require('./start.js')('stillframe').start(require('node:path').dirname(__dirname), process.argv.slice(2));
