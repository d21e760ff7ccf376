# wasm/stillframe.wasm: the C core as one WebAssembly module, by emscripten, without any generated JavaScript.
# What is exported is listed in wasm/exports.json. The C sources are CORE_SOURCES of core/rules.mk.
EMCC ?= emcc
WASM_FLAGS := -std=c11 -ffreestanding -fno-builtin -O3 -msimd128 -mbulk-memory -Wall -Wextra -Wshadow -Werror \
	--no-entry -sSTANDALONE_WASM -sWASM_BIGINT -sSUPPORT_ERRNO=0 \
	-sTOTAL_STACK=65536 -sINITIAL_MEMORY=1048576 -sALLOW_MEMORY_GROWTH=1 -sMAXIMUM_MEMORY=2147483648

all: wasm/stillframe.wasm
.PHONY: wasm wasm-clean
wasm: wasm/stillframe.wasm

wasm/stillframe.wasm: $(wildcard core/*.c core/*.h) wasm/exports.json wasm/rules.mk
	@command -v $(EMCC) >/dev/null || { echo "emscripten is missing: apt-get install -y --no-install-recommends emscripten" >&2; exit 1; }
	$(EMCC) $(WASM_FLAGS) -sEXPORTED_FUNCTIONS=@wasm/exports.json $(sort $(wildcard core/*.c)) -o $@

# The package holds a copy of it.
dist/.built: wasm/stillframe.wasm

clean: wasm-clean
wasm-clean:
	rm -f wasm/stillframe.wasm
