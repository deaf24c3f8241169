/* told.c - see told.h */
#define _GNU_SOURCE /* kill */
#include "tools/scenario/told.h"

#include <errno.h>
#include <math.h>
#include <signal.h>

/* Everybody reads and writes these words at the same time; each is a number of its own. */
static uint64_t read_word(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void add_histogram(const struct budget_histogram *histogram, struct histogram *seen,
                          struct histogram *into)
{
    static_assert((int)BUDGET_BUCKETS == (int)HISTOGRAM_BUCKETS, "the same buckets");
    for (size_t i = 0; i < BUDGET_BUCKETS; i++) {
        uint64_t count = read_word(&histogram->counts[i]);
        if (count > seen->counts[i])
            into->counts[i] += count - seen->counts[i];
        seen->counts[i] = count;
    }
}

/* Seconds since it was read last. */
static double read_time(const _Atomic uint64_t *word, uint64_t *seen_ns)
{
    uint64_t ns = read_word(word), before = *seen_ns;
    *seen_ns = ns;
    return ns > before ? (double)(ns - before) / 1e9 : 0;
}

/* What its threads slept and waited since the last time, divided by those that there were. The
 * first one is not counted beside others: it mostly waits for them. */
static struct pressure_injected read_injected(const struct budget_slot *slot,
                                              struct told_seen *seen, bool is_new)
{
    const _Atomic uint32_t *word = is_new ? &slot->threads_most : &slot->threads;
    uint32_t now = atomic_load_explicit(word, memory_order_relaxed);
    double threads = fmax(1, fmax(now, seen->threads));
    seen->threads = now;
    return (struct pressure_injected){
        .slept = read_time(&slot->throttled_ns, &seen->slept_ns) / threads,
        .held = read_time(&slot->held_ns, &seen->held_ns) / threads,
        .fetched = read_time(&slot->return_ns, &seen->fetched_ns) / threads};
}

static void add_injected(struct pressure_injected *sum, const struct pressure_injected *more)
{
    sum->slept += more->slept;
    sum->held += more->held;
    sum->fetched += more->fetched;
}

static double sum_injected(const struct pressure_injected *injected)
{
    return injected->slept + injected->held + injected->fetched;
}

static void add_count(uint64_t *sum, uint64_t count, uint64_t *seen)
{
    if (count > *seen)
        *sum += count - *seen;
    *seen = count;
}

bool told_is_there(int process)
{
    return kill(process, 0) == 0 || errno != ESRCH;
}

/* `most`: what held up one that is still there. Those that have ended were one after the other,
 * mostly. */
static void read_slot(struct told *told, struct budget_page *page, size_t place,
                      struct pressure_injected *most)
{
    struct budget_slot *slot = &page->slots[place];
    struct told_seen *seen = &told->seen[place];
    uint32_t process_id = atomic_load_explicit(&slot->process_id, memory_order_acquire);
    uint64_t start = read_word(&slot->start);
    bool is_new = seen->process_id != process_id || seen->start != start;
    if (is_new)
        *seen = (struct told_seen){.process_id = process_id, .start = start};
    if (seen->has_ended)
        return;
    seen->has_ended = !told_is_there((int)process_id); /* nothing will follow */
    if (seen->has_ended && told->is_ours[place])
        atomic_store(&slot->has_ended, 1);
    const struct pressure_injected more = read_injected(slot, seen, is_new);
    if (seen->has_ended)
        add_injected(&told->injected, &more);
    else if (sum_injected(&more) > sum_injected(most))
        *most = more;
    add_count(&told->refused, read_word(&slot->refused), &seen->refused);
    add_count(&told->denied, read_word(&slot->denied), &seen->denied);
    add_histogram(&slot->slow, &seen->latency.slow, &told->latency.slow);
    add_histogram(&slot->injected, &seen->latency.injected, &told->latency.injected);
    add_histogram(&slot->fast, &seen->latency.fast, &told->latency.fast);
    add_histogram(&slot->freed, &seen->latency.freed, &told->latency.freed);
}

/* A slot that is free ends them. */
void told_read(struct told *told, struct budget_page *page)
{
    struct pressure_injected most = {0};
    for (size_t i = 0; i < BUDGET_SLOTS && page->slots[i].process_id != 0; i++)
        read_slot(told, page, i, &most);
    add_injected(&told->injected, &most);
}
