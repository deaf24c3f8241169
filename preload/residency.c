/* residency.c - see residency.h. Ranges that other threads unmap meanwhile are passed over. */
#include "preload/residency.h"

#include "allocators/base/os.h"
#include "allocators/space.h"
#include "preload/budget_slot.h"
#include "preload/mapped.h"

enum { PAUSES = 200 }; /* times what it took */

static uint64_t due_ns; /* the next reading */
static struct {
    struct residency residency;
    uint64_t rss_anon; /* 0: there was none */
    uint64_t took_ns;
} newest;

static void add_own(uintptr_t start, size_t bytes, void *sum_)
{
    uint64_t *sum = sum_;
    bool is_space = start <= space.base && space.base < start + bytes;
    if (!is_space)
        *sum += os_count_resident(start, bytes);
}

/* Of the reservation only what the frontier has passed: the rest is a terabyte of nothing. */
static uint64_t count_space(void)
{
    size_t units = atomic_load_explicit(&space.units, memory_order_relaxed);
    return os_count_resident(space.base, units * UNIT_BYTES) + space_meta_bytes();
}

void residency_read(struct residency *residency)
{
    uintptr_t at = 0, start;
    size_t bytes;
    *residency = (struct residency){.heap = count_space()};
    os_own_visit(add_own, &residency->heap);
    while (mapped_next(&at, &start, &bytes))
        residency->mapped += os_count_resident(start, bytes);
}

static void publish_newest(void)
{
    budget_set(&budget_slot->heap_resident, newest.residency.heap);
    budget_set(&budget_slot->mapped_resident, newest.residency.mapped);
    budget_set(&budget_slot->resident_anon, newest.rss_anon);
}

void residency_publish(uint64_t now_ns, uint64_t rss_anon)
{
    if (now_ns < due_ns || rss_anon == 0)
        return;
    uint64_t began_ns = os_time_ns();
    residency_read(&newest.residency);
    newest.rss_anon = rss_anon;
    newest.took_ns = os_time_ns() - began_ns;
    due_ns = now_ns + PAUSES * newest.took_ns;
    publish_newest();
}

/* What its parent read last is so of the child, too, and to read it anew would take as long: one
 * that soon ends would do little else. */
void residency_fork_child(void)
{
    due_ns = os_time_ns() + PAUSES * newest.took_ns;
    publish_newest();
}
