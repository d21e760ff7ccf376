/* Names and texts of the error codes, and where the loader's memory starts. */
#include "sf.h"

const char *sf_error_name(uint32_t code)
{
	static const char *const names[] = {
#define X(name, text) #name,
		SF_ERRORS(X)
#undef X
	};
	return code < SF_E_COUNT ? names[code] : "";
}

const char *sf_error_text(uint32_t code)
{
	static const char *const texts[] = {
#define X(name, text) text,
		SF_ERRORS(X)
#undef X
	};
	return code < SF_E_COUNT ? texts[code] : "";
}

#ifdef __wasm__
/* First byte that neither data nor stack uses: from here on memory is the loader's to hand out. */
extern unsigned char __heap_base;

uint32_t sf_heap_base(void);
uint32_t sf_heap_base(void)
{
	return (uint32_t)(uintptr_t)&__heap_base;
}
#endif
