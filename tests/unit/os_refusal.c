/* os_refusal.c - a wrapper around each memory call; atomic, since threads of the heap call too. */
#include "tests/unit/os_refusal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

#include "allocators/base/os.h"

static struct {
    atomic_uint calls, from, to;
    atomic_bool unpromised;
    atomic_size_t mapped;
    _Atomic uint64_t now_ns;
} refusal;

void os_refuse(unsigned from, unsigned to)
{
    atomic_store(&refusal.from, from);
    atomic_store(&refusal.to, to);
    atomic_store(&refusal.calls, 0);
}

unsigned os_refusal_calls(void)
{
    return atomic_load(&refusal.calls);
}

void os_refuse_unpromised(bool refused)
{
    atomic_store(&refusal.unpromised, refused);
}

size_t os_refusal_mapped_bytes(void)
{
    return atomic_load(&refusal.mapped);
}

static bool is_refused(void)
{
    unsigned call = atomic_fetch_add(&refusal.calls, 1) + 1;
    return call >= atomic_load(&refusal.from) && call <= atomic_load(&refusal.to);
}

/* -- wrappers --------------------------------------------------------------------------------- */

#define WRAPPED(result, name, ...)                                                                 \
    result __real_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__);                                                             \
    result __wrap_##name(__VA_ARGS__)

WRAPPED(void *, os_map, size_t bytes)
{
    void *p = is_refused() ? NULL : __real_os_map(bytes);
    if (p != NULL)
        atomic_fetch_add(&refusal.mapped, bytes);
    return p;
}

WRAPPED(void *, os_map_unpromised, size_t bytes)
{
    return atomic_load(&refusal.unpromised) || is_refused() ? NULL
                                                            : __real_os_map_unpromised(bytes);
}

WRAPPED(void *, os_map_pool, size_t bytes, size_t page_bytes)
{
    void *p = is_refused() ? NULL : __real_os_map_pool(bytes, page_bytes);
    if (p != NULL)
        atomic_fetch_add(&refusal.mapped, bytes);
    return p;
}

WRAPPED(void *, os_reserve, size_t bytes)
{
    return is_refused() ? NULL : __real_os_reserve(bytes);
}

WRAPPED(int, os_commit, void *start, size_t bytes)
{
    return is_refused() ? ENOMEM : __real_os_commit(start, bytes);
}

WRAPPED(int, os_purge, void *start, size_t bytes)
{
    return is_refused() ? EAGAIN : __real_os_purge(start, bytes);
}

WRAPPED(int, os_unmap, void *start, size_t bytes)
{
    if (is_refused())
        return ENOMEM;
    int error = __real_os_unmap(start, bytes);
    if (error == 0)
        atomic_fetch_sub(&refusal.mapped, bytes);
    return error;
}

WRAPPED(void *, os_remap, void *start, size_t old_bytes, size_t new_bytes)
{
    void *p = is_refused() ? NULL : __real_os_remap(start, old_bytes, new_bytes);
    if (p != NULL)
        atomic_fetch_add(&refusal.mapped, new_bytes - old_bytes);
    return p;
}

WRAPPED(void *, os_map_wiped_on_fork, void)
{
    return is_refused() ? NULL : __real_os_map_wiped_on_fork();
}

WRAPPED(uint64_t, os_time_coarse_ns, void)
{
    enum { STEP_NS = 100 * 1000 * 1000 };
    return atomic_fetch_add(&refusal.now_ns, STEP_NS) + UINT64_C(3600000000000);
}
