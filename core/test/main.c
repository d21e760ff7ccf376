/* Runs the core's native tests; `make core-test` builds them with ASan and UBSan. */
#include "check.h"

unsigned checks_passed, checks_failed;

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} suites[] = {
		{ "container", test_container }, { "wire", test_wire },         { "pagemap", test_pagemap },
		{ "ranges", test_ranges },       { "pagehash", test_pagehash }, { "pagediff", test_pagediff },
		{ "checksum", test_checksum },   { "rows", test_rows },         { "tape", test_tape },
	};
	unsigned bad = 0, count = sizeof(suites) / sizeof(suites[0]);
	for (size_t i = 0; i < count; i++) {
		unsigned passed = checks_passed, failed = checks_failed;
		suites[i].run();
		printf("core/%s: %u checks, %u failed\n", suites[i].name, checks_passed - passed + checks_failed - failed,
		       checks_failed - failed);
		bad += checks_failed != failed;
	}
	printf("%u passed, %u failed\n", count - bad, bad);
	return bad == 0 ? 0 : 1;
}
