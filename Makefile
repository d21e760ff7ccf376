# Builds, tests and shows Stillframe. Every goal first makes sure of what it needs (scripts/setup.sh): as root from Debian,
# as a plain user it prints the command to run. Parts add themselves in PART/rules.mk (`all: THEIR-OUTPUT`, `clean: THEIR-CLEAN`).
#
#   make          core, wasm module, helper, dist/            make demo    a counter stops, vanishes and counts on
#   make test     everything, ends with `N passed, N failed`  make fuzz    the core's fuzzers, 60 s each
#   make test ONLY=e2e/counter   only test files with that in their path
#   make bench    beside CRIU when CRIU=/path/criu is given   make pack    an npm package that needs no toolchain
.DEFAULT_GOAL := all
SHELL := /bin/bash

GOALS := $(or $(MAKECMDGOALS),all)
ifneq ($(filter-out clean help,$(GOALS)),)
ifeq ($(SF_READY),)
ready := $(shell bash scripts/setup.sh $(GOALS) >&2 || echo no)
ifeq ($(ready),no)
$(error Something is missing: see above)
endif
export SF_READY := 1
endif
endif

.PHONY: all
all:
-include */rules.mk

.PHONY: dist
dist: dist/.built
all: dist
dist/.built: package.json scripts/build.mjs wasm/stillframe.wasm helper/stillframe-helper $(shell find src commands wasm -name '*.ts')
	node scripts/build.mjs
	@touch $@

.PHONY: test typecheck
test: all
	@node test/run.mjs $(ONLY)
typecheck:
	node node_modules/typescript/bin/tsc --noEmit --incremental --tsBuildInfoFile build/typecheck.tsbuildinfo

.PHONY: demo
demo: all
	@node scripts/demo.mjs

.PHONY: bench
bench: all
	node --import tsx bench/run.ts $(ONLY)

# parts add their fuzzers: `fuzz: core-fuzz`
.PHONY: fuzz
fuzz:

.PHONY: pack
pack: all
	npm pack

.PHONY: clean help
clean:
	rm -rf build dist *.tgz oclif.manifest.json helper/stillframe-helper
help:
	@sed -n 's/^#//p' Makefile
