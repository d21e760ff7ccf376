# Builds and tests Stillframe. `make demo` and `make test` install what is missing.
.PHONY: all
all:
-include */rules.mk
