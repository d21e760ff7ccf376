/* idle: a small task that waits; after go it checks its memory and its descriptors. For tests that must leave a task alone. */
#include "check.h"

int main(void)
{
	static uint64_t memory[1 << 17];
	uint64_t rounds = 0;

	fill(memory, sizeof(memory), 3);
	say("ready");
	while (access("go", F_OK)) {
		/* it works while it waits: a register or a page that is not as it was shows */
		uint64_t sum = 0;
		for (int i = 0; i < 1 << 17; i++)
			sum += memory[i] == pattern(i, 3);
		if (sum != 1 << 17) {
			fail("memory: %lu words are right after %lu rounds", (unsigned long)sum, (unsigned long)rounds);
			return 1;
		}
		rounds++;
		sleep_ms(1);
	}
	check(rounds > 0, "it worked", "%lu rounds", (unsigned long)rounds);
	check(differs(memory, sizeof(memory), 3) < 0, "memory", "changed");
	return done();
}
