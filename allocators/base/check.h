/* check.h - the three kinds of check.
 *
 * MP_CHECK   always compiled in: what the program handed us. Ends in fault().
 * MP_ASSERT  debug level 1: what we promise ourselves, cheap.
 * MP_AUDIT   debug level 2: recounts a whole structure, slow.
 *
 * A check that is off is still compiled, so that it cannot rot. MP_DEBUG comes from the build type.
 */
#ifndef MPRESS_BASE_CHECK_H
#define MPRESS_BASE_CHECK_H

#include "allocators/base/fault.h"

#ifndef MP_DEBUG
#define MP_DEBUG 0
#endif

#define MP_LIKELY(cond) __builtin_expect(!!(cond), 1)
#define MP_UNLIKELY(cond) __builtin_expect(!!(cond), 0)

/* Of a function that most programs never run: it lies apart from what all do (preload/order.ld). */
#define MP_RARE __attribute__((cold))

#define MP_CHECK(cond, kind, pointer)                                                              \
    do {                                                                                           \
        if (MP_UNLIKELY(!(cond)))                                                                  \
            fault((kind), (pointer));                                                              \
    } while (0)

#define MP_CHECK_IN_DEBUG_(level, cond)                                                            \
    do {                                                                                           \
        if (MP_DEBUG >= (level) && MP_UNLIKELY(!(cond)))                                           \
            fault_assert(#cond, __FILE__, __LINE__);                                               \
    } while (0)

#define MP_ASSERT(cond) MP_CHECK_IN_DEBUG_(1, cond)
#define MP_AUDIT(cond) MP_CHECK_IN_DEBUG_(2, cond)

#endif
