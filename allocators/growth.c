/* growth.c - the count of what is left. */
#include "allocators/growth.h"

struct growth growth = {GROWTH_ANY};
_Thread_local bool growth_is_free;
_Thread_local size_t growth_wanted;

bool growth_take_limited(size_t bytes)
{
    int64_t wanted = bytes < (size_t)GROWTH_ANY ? (int64_t)bytes : GROWTH_ANY;
    int64_t left = atomic_fetch_sub_explicit(&growth.left, wanted, memory_order_relaxed);
    if (left >= wanted || growth_is_free)
        return true;
    atomic_fetch_add_explicit(&growth.left, wanted, memory_order_relaxed);
    growth_wanted = bytes;
    return false;
}

void growth_give(size_t bytes)
{
    if (growth_is_limited())
        atomic_fetch_add_explicit(&growth.left, (int64_t)bytes, memory_order_relaxed);
}
