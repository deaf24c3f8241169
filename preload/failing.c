/* failing.c - see failing.h */
#include "preload/failing.h"

#include <string.h>

#include "allocators/base/os.h"
#include "preload/branching.h"

struct failing failing;

static bool is_meant(const struct conf *conf)
{
    return conf->fail_nth != 0 &&
           (conf->fail_pid == 0 || conf->fail_pid == (uint64_t)os_process_id());
}

void failing_init(const struct conf *conf)
{
    failing.nth = conf->fail_nth;
    failing.is_persistent = conf->fail_mode == CONF_FAIL_PERSISTENT;
    failing.has_branches = strcmp(conf->fail_tool, "none") != 0;
    atomic_store_explicit(&failing.is_on, is_meant(conf), memory_order_relaxed);
}

void failing_fork_child(const struct conf *conf)
{
    if (failing_is_on())
        atomic_store_explicit(&failing.is_on, is_meant(conf), memory_order_relaxed);
}

MP_RARE void failing_begin_branch(bool is_persistent)
{
    failing.has_branches = false;
    failing.is_persistent = is_persistent;
    atomic_store_explicit(&failing.is_on, is_persistent, memory_order_relaxed);
}

MP_RARE bool failing_count(size_t bytes, uintptr_t ip)
{
    uint64_t number = atomic_fetch_add_explicit(&failing.calls, 1, memory_order_relaxed) + 1;
    if (number == failing.nth)
        return !failing.has_branches || branching_refuses(number, bytes, ip);
    return failing.is_persistent && !failing.has_branches && number > failing.nth;
}
