# The C core natively: tests with ASan and UBSan (make core-test), fuzzing (make fuzz SECONDS=60, needs clang and its compiler-rt).
# Its WebAssembly build is wasm/rules.mk.
CORE_CC ?= $(firstword $(shell command -v clang || command -v clang-14 || command -v gcc || command -v cc))
CORE_WARN := -std=c11 -Wall -Wextra -Wshadow -Wmissing-prototypes -Wswitch-default -Wno-psabi -Werror
CORE_SANITIZE := -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
CORE_HEADERS := $(wildcard core/*.h core/test/*.h core/fuzz/*.h)
CORE_SOURCES := $(sort $(wildcard core/*.c))

.PHONY: core-test core-fuzz core-clean
core-test: build/core/test
	build/core/test

build/core/test: $(CORE_SOURCES) $(wildcard core/test/*_test.c) core/test/main.c $(CORE_HEADERS) core/rules.mk
	@mkdir -p build/core
	$(CORE_CC) $(CORE_WARN) $(CORE_SANITIZE) $(filter %.c,$^) -o $@

# Prints what the core makes of a file, for comparison with the WebAssembly build (test/core/routes.test.ts).
build/core/cli: $(CORE_SOURCES) core/test/cli.c $(CORE_HEADERS) core/rules.mk
	@mkdir -p build/core
	$(CORE_CC) $(CORE_WARN) $(CORE_SANITIZE) $(filter %.c,$^) -o $@

# As fast as it gets natively, for bench/core.ts.
build/core/bench: $(CORE_SOURCES) core/test/bench.c $(CORE_HEADERS) core/rules.mk
	@mkdir -p build/core
	$(CORE_CC) $(CORE_WARN) -O3 $(filter %.c,$^) -o $@

# Each harness of core/fuzz runs for SECONDS, from real images (FUZZ_SEEDS: folders of them) and what earlier runs found.
SECONDS ?= 60
FUZZ_CC ?= $(firstword $(shell command -v clang || command -v clang-14))
FUZZ_SEEDS ?= $(wildcard test/fixtures/*/)
FUZZERS := $(patsubst core/fuzz/%.c,%,$(wildcard core/fuzz/*_fuzz.c))

build/core/%_fuzz: core/fuzz/%_fuzz.c $(CORE_SOURCES) $(CORE_HEADERS) core/rules.mk
	@mkdir -p build/core
	$(FUZZ_CC) -std=c11 -Wall -Wextra -Werror -g -O2 -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		$(filter %.c,$^) -o $@

fuzz: core-fuzz
core-fuzz: $(FUZZERS:%=build/core/%)
	@for fuzzer in $(FUZZERS); do \
		mkdir -p build/core/corpus/$$fuzzer build/core/findings && \
		build/core/$$fuzzer -max_total_time=$(SECONDS) -max_len=65536 -timeout=20 -rss_limit_mb=1024 -print_final_stats=1 \
			-artifact_prefix=build/core/findings/$$fuzzer- build/core/corpus/$$fuzzer $(FUZZ_SEEDS) \
			2>build/core/$$fuzzer.log || { tail -40 build/core/$$fuzzer.log; exit 1; }; \
		echo "$$fuzzer: $$(grep -E 'number_of_executed_units|new_units' build/core/$$fuzzer.log | tr -s '\n ' ' ')"; \
	done

clean: core-clean
core-clean:
	rm -rf build/core
