/* os_refusal.h - the operating system refuses memory calls, at a time of the test's choosing.
 *
 * Linked with --wrap for every function of os.h's part "memory" that can fail; without a wrapper
 * here a new one does not link. The clock is wrapped too: it moves on by 100 ms at every look, so
 * that whatever is done by time is done at once. */
#ifndef MPRESS_TESTS_OS_REFUSAL_H
#define MPRESS_TESTS_OS_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>

/* Which of the coming calls are refused: number `from` to `to`, counted from 1; 0, 0: none. */
void os_refuse(unsigned from, unsigned to);

/* Calls since then. */
unsigned os_refusal_calls(void);

/* Mappings without a promise of memory are refused always, as by vm.overcommit_memory=2. */
void os_refuse_unpromised(bool refused);

/* Bytes of os_map and os_remap that were not unmapped. */
size_t os_refusal_mapped_bytes(void);

#endif
