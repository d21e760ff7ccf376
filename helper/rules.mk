# The native helper: one static binary without libc. `make helper`.
.PHONY: helper clean-helper
HELPER := helper/stillframe-helper
HELPER_C := $(filter-out helper/executor.c,$(wildcard helper/*.c))
HELPER_O := $(HELPER_C:helper/%.c=build/helper/%.o) build/helper/entry.o build/helper/landing.o build/helper/executor.o
HELPER_FLAGS := -std=gnu11 -O2 -ffreestanding -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
	-fno-strict-aliasing -fno-pic -mno-red-zone -mgeneral-regs-only -fno-tree-loop-distribute-patterns \
	-Wall -Wextra -Werror -Wswitch-default -Wmissing-prototypes -Wshadow -Wundef
# Position-independent, one section, no call to anything outside it (checked below).
EXECUTOR_FLAGS := -fPIC -fno-jump-tables -fno-builtin

all: helper
helper: $(HELPER)

$(HELPER): $(HELPER_O)
	$(CC) -static -nostdlib -no-pie -Wl,-z,noexecstack -Wl,--build-id=none -Wl,-s -Wl,-z,norelro -o $@ $(HELPER_O)

build/helper/%.o: helper/%.c $(wildcard helper/*.h) helper/rules.mk
	@mkdir -p build/helper
	$(CC) $(HELPER_FLAGS) -c -o $@ $<

build/helper/executor.o: helper/executor.c $(wildcard helper/*.h) helper/rules.mk
	@mkdir -p build/helper
	$(CC) $(HELPER_FLAGS) $(EXECUTOR_FLAGS) -c -o $@ $<
	@! nm -u $@ | grep -v ' sf_executor_' || { echo 'executor.c calls something outside itself'; rm -f $@; exit 1; }

build/helper/%.o: helper/%.S helper/rules.mk
	@mkdir -p build/helper
	$(CC) -c -o $@ $<

clean-helper:
	rm -rf build/helper $(HELPER)
