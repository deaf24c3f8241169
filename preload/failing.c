/* failing.c - see failing.h */
#include "preload/failing.h"

#include "allocators/base/os.h"

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
    atomic_store_explicit(&failing.is_on, is_meant(conf), memory_order_relaxed);
}

void failing_fork_child(const struct conf *conf)
{
    if (failing_is_on())
        atomic_store_explicit(&failing.is_on, is_meant(conf), memory_order_relaxed);
}
