# The C core natively: tests with ASan and UBSan (make core-test), fuzzing (make fuzz SECONDS=60). Its WebAssembly build is wasm/rules.mk.
