/* mapped.c - a sorted array of ranges. The kernel puts mappings side by side, so that a program's
 * thousands are a few ranges here.
 *
 * A signal handler may map while its thread is at it: then it is passed over, and counts by RssAnon
 * (or, unmapped, goes on counting). */
#include "preload/mapped.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "allocators/base/lock.h"

enum { RANGES = 4096 };

struct range {
    uintptr_t start, end;
    bool counts; /* else it is reserved */
};

static struct {
    struct lock lock;
    _Atomic bool is_on;
    size_t count; /* the rest: lock */
    struct range at[RANGES];
    _Atomic size_t bytes;
} mapped = {.lock = LOCK_INIT(LOCK_RANK_MAPPED)};

static _Thread_local bool is_inside __attribute__((tls_model("initial-exec")));

void mapped_start(void)
{
    atomic_store_explicit(&mapped.is_on, true, memory_order_relaxed);
}

size_t mapped_bytes(void)
{
    return atomic_load_explicit(&mapped.bytes, memory_order_relaxed);
}

static bool come_in(void)
{
    if (!atomic_load_explicit(&mapped.is_on, memory_order_relaxed) || is_inside)
        return false;
    is_inside = true;
    atomic_signal_fence(memory_order_seq_cst);
    lock_take(&mapped.lock);
    return true;
}

static void go_out(void)
{
    lock_drop(&mapped.lock);
    atomic_signal_fence(memory_order_seq_cst);
    is_inside = false;
}

/* The first range that ends behind the address. */
static size_t find(uintptr_t address)
{
    size_t from = 0, to = mapped.count;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (mapped.at[middle].end > address)
            to = middle;
        else
            from = middle + 1;
    }
    return from;
}

static void add_bytes(bool counts, size_t bytes)
{
    if (counts)
        atomic_fetch_add_explicit(&mapped.bytes, bytes, memory_order_relaxed);
}

/* Makes room for `number` ranges (or takes so many away) at `at`. */
static void shift(size_t at, ptrdiff_t number)
{
    struct range *from = &mapped.at[at];
    if (number >= 0)
        memmove(from + number, from, (mapped.count - at) * sizeof(*from));
    else
        memmove(from, from - number, (mapped.count - at + (size_t)number) * sizeof(*from));
    mapped.count += (size_t)number;
}

static void cut(uintptr_t start, uintptr_t end)
{
    size_t at = find(start);
    while (at < mapped.count && mapped.at[at].start < end) {
        struct range *range = &mapped.at[at];
        uintptr_t from = range->start > start ? range->start : start;
        uintptr_t to = range->end < end ? range->end : end;
        bool has_front = range->start<from, has_back = range->end> to;
        add_bytes(range->counts, from - to);
        if (has_front && has_back && mapped.count < RANGES) {
            shift(at, 1);
            mapped.at[at + 1] = (struct range){to, range->end, range->counts};
            range->end = from;
            return;
        }
        if (has_front) { /* (and its back, where there is no room for it) */
            add_bytes(range->counts, has_back ? to - range->end : 0);
            range->end = from;
            at++;
        } else if (has_back) {
            range->start = to;
            return;
        } else {
            shift(at, -1);
        }
    }
}

/* No part of it is known. */
static void insert(uintptr_t start, uintptr_t end, bool counts)
{
    size_t at = find(start);
    struct range *left = at > 0 ? &mapped.at[at - 1] : NULL;
    struct range *right = at < mapped.count ? &mapped.at[at] : NULL;
    bool joins_left = left != NULL && left->end == start && left->counts == counts;
    bool joins_right = right != NULL && right->start == end && right->counts == counts;
    if (!joins_left && !joins_right && mapped.count == RANGES)
        return;
    add_bytes(counts, end - start);
    if (joins_left && joins_right) {
        left->end = right->end;
        shift(at, -1);
    } else if (joins_left) {
        left->end = end;
    } else if (joins_right) {
        right->start = start;
    } else {
        shift(at, 1);
        mapped.at[at] = (struct range){start, end, counts};
    }
}

static void set(uintptr_t start, size_t bytes, bool counts)
{
    if (!come_in())
        return;
    cut(start, start + bytes);
    insert(start, start + bytes, counts);
    go_out();
}

void mapped_add(uintptr_t start, size_t bytes)
{
    set(start, bytes, true);
}

void mapped_reserve(uintptr_t start, size_t bytes)
{
    set(start, bytes, false);
}

void mapped_remove(uintptr_t start, size_t bytes)
{
    if (!come_in())
        return;
    cut(start, start + bytes);
    go_out();
}

void mapped_move(uintptr_t start, size_t bytes, uintptr_t new_start, size_t new_bytes, bool stays)
{
    if (!come_in())
        return;
    size_t at = find(start);
    bool is_known = at < mapped.count && mapped.at[at].start <= start;
    bool counts = is_known && mapped.at[at].counts;
    if (!stays)
        cut(start, start + bytes);
    cut(new_start, new_start + new_bytes);
    if (is_known)
        insert(new_start, new_start + new_bytes, counts);
    go_out();
}

/* The part of the first range behind *at, up to `end`, that does not count, or does; *at moves
 * behind it. False: there is none. */
static bool next_part(uintptr_t *at, uintptr_t end, bool counts, struct range *part)
{
    for (size_t i = find(*at); *at < end && i < mapped.count && mapped.at[i].start < end; i++) {
        *part = mapped.at[i];
        part->start = part->start > *at ? part->start : *at;
        part->end = part->end < end ? part->end : end;
        *at = part->end;
        if (part->counts == counts)
            return true;
    }
    return false;
}

size_t mapped_reserved(uintptr_t start, size_t bytes)
{
    size_t sum = 0;
    uintptr_t at = start;
    struct range part;
    if (!come_in())
        return 0;
    while (next_part(&at, start + bytes, false, &part))
        sum += part.end - part.start;
    go_out();
    return sum;
}

bool mapped_next(uintptr_t *at, uintptr_t *start, size_t *bytes)
{
    struct range part;
    if (!come_in())
        return false;
    bool is_there = next_part(at, UINTPTR_MAX, true, &part);
    go_out();
    if (!is_there)
        return false;
    *start = part.start;
    *bytes = part.end - part.start;
    return true;
}

void mapped_change(uintptr_t start, size_t bytes, bool counts)
{
    uintptr_t at = start;
    struct range part;
    if (!come_in())
        return;
    while (next_part(&at, start + bytes, !counts, &part)) {
        cut(part.start, part.end);
        insert(part.start, part.end, counts);
    }
    go_out();
}

/* A table that the fork cut in the middle of a change is forgotten. */
void mapped_fork_child(void)
{
    is_inside = false;
    if (lock_reset(&mapped.lock)) {
        mapped.count = 0;
        atomic_store_explicit(&mapped.bytes, 0, memory_order_relaxed);
    }
}
