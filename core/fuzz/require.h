/* What a fuzzer checks: the run ends with a finding when it does not hold. */
#ifndef SF_FUZZ_REQUIRE_H
#define SF_FUZZ_REQUIRE_H

#include <stdlib.h>

#define REQUIRE(condition) \
	do { \
		if (!(condition)) \
			abort(); \
	} while (0)

#endif
