/* credentials.c - calls that change all threads libc knows of, or want there to be one only. They
 * do not reach the heap's helper thread (scavenge.h): it would keep the rights that a program
 * drops. So it ends before such a call, and is started again, as what the program then is, when it
 * is needed.
 *
 * Who asks the kernel directly (syscall) passes by this, as it passes by libc's other threads. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stddef.h>

#include "allocators/scavenge.h"
#include "preload/door.h"
#include "preload/next.h"

/* In a signal handler that interrupted the heap there is nothing to be waited for: then the helper
 * ends a little later. False: nothing is to be undone. */
static bool begin(void)
{
    if (!door_come_in())
        return false;
    scavenge_forbid_helper();
    door_go_out();
    return true;
}

/* libc's function of that name, without the helper. */
#define WITHOUT_HELPER(name, parameters, arguments)                                                \
    NEXT_CALL(name, parameters)                                                                    \
    bool is_forbidden = begin();                                                                   \
    int result = real arguments;                                                                   \
    if (is_forbidden)                                                                              \
        scavenge_allow_helper();                                                                   \
    return result;                                                                                 \
    }

WITHOUT_HELPER(setuid, (unsigned id), (id))
WITHOUT_HELPER(setgid, (unsigned id), (id))
WITHOUT_HELPER(seteuid, (unsigned id), (id))
WITHOUT_HELPER(setegid, (unsigned id), (id))
WITHOUT_HELPER(setreuid, (unsigned real_id, unsigned effective), (real_id, effective))
WITHOUT_HELPER(setregid, (unsigned real_id, unsigned effective), (real_id, effective))
WITHOUT_HELPER(setresuid, (unsigned real_id, unsigned effective, unsigned saved),
               (real_id, effective, saved))
WITHOUT_HELPER(setresgid, (unsigned real_id, unsigned effective, unsigned saved),
               (real_id, effective, saved))
WITHOUT_HELPER(setgroups, (size_t count, const unsigned *groups), (count, groups))
WITHOUT_HELPER(initgroups, (const char *user, unsigned group), (user, group))
WITHOUT_HELPER(capset, (void *header, const void *data), (header, data))
WITHOUT_HELPER(unshare, (int flags), (flags))
WITHOUT_HELPER(setns, (int descriptor, int kind), (descriptor, kind))
