/* limits.c - the program changes its own limits: the reservation counts against that on address
 * space, so it follows. */
#define _GNU_SOURCE
#include "allocators/base/os.h"
#include "allocators/huge.h"
#include "allocators/large.h"
#include "allocators/scavenge.h"
#include "allocators/unit.h"
#include "preload/door.h"
#include "preload/next.h"

/* The child of a vfork limits itself, not us. */
static void follow(void)
{
    if (!scavenge_is_in_own_process())
        return;
    huge_purge(); /* what is kept warm counts, too */
    unit_limit_space(os_address_limit());
    large_recount();
}

/* In a signal handler that interrupted the heap the reservation stays as it is. */
static int note(int result)
{
    if (result == 0 && door_come_in()) {
        follow();
        door_go_out();
    }
    return result;
}

#define NOTED(name, parameters, arguments)                                                         \
    NEXT_CALL(name, parameters)                                                                    \
    return note(real arguments);                                                                   \
    }

// clang-format off
NOTED(setrlimit, (int resource, const void *limit), (resource, limit))
NOTED(setrlimit64, (int resource, const void *limit), (resource, limit))
NOTED(prlimit, (int process, int resource, const void *limit, void *old),
      (process, resource, limit, old))
NOTED(prlimit64, (int process, int resource, const void *limit, void *old),
      (process, resource, limit, old))
