/* engine.c - runs the operations of a thread.
 *
 * One loop, made four times by inlining with constant arguments: plain, timed, checked, null. */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tools/replay/child/child.h"

enum { TOUCH_STEP = 4096 };

/* -- the calls under test --------------------------------------------------------------------- */

/* What a call would do at no cost: an address nobody looks at. */
static inline void *bump(struct runner *runner, size_t size)
{
    runner->bump += (size + 31) & ~(size_t)15;
    return (void *)runner->bump;
}

/* size 0 may yield NULL by the standard; then nothing could be waited for. */
static inline size_t at_least_one(size_t size)
{
    return size + (size == 0);
}

static void *align(size_t alignment, size_t size)
{
    void *p = NULL;
    return posix_memalign(&p, alignment, size) == 0 ? p : NULL;
}

static inline void note_duration(struct runner *runner, uint64_t ticks)
{
    const struct child *of = runner->child;
    uint64_t net = ticks > of->tick_overhead ? ticks - of->tick_overhead : 0;
    uint64_t ns = (uint64_t)((double)net * of->ns_per_tick);
    unsigned bucket = trace_latency_bucket(ns);
    runner->counters
        ->latency[bucket < TRACE_LATENCY_BUCKETS ? bucket : TRACE_LATENCY_BUCKETS - 1]++;
    runner->counters->call_ns += ns;
    if (ns > runner->counters->latency_max_ns)
        runner->counters->latency_max_ns = ns;
}

/* -- what the program would do with its memory ------------------------------------------------ */

static inline void touch(void *object, size_t size, enum program_touch how)
{
    volatile char *bytes = object;
    if (how == PROGRAM_TOUCH_PAGES) {
        for (size_t i = 0; i < size; i += TOUCH_STEP)
            bytes[i] = 1;
    } else if (how == PROGRAM_TOUCH_FIRST) {
        if (size != 0)
            bytes[0] = 1;
    } else if (how == PROGRAM_TOUCH_ALL) {
        memset(object, 1, size);
    }
}

/* The smallest alignment that a block of that size must have. */
static size_t natural_alignment(size_t size)
{
    size_t alignment = _Alignof(max_align_t);
    while (alignment > 1 && alignment > size)
        alignment /= 2;
    return alignment;
}

/* -- operations ------------------------------------------------------------------------------- */

struct operation {
    unsigned op;
    bool is_handed;
    size_t size;
    struct slot *slot;
    unsigned alignment_log2; /* PROGRAM_ALIGNED */
};

static inline bool is_in_txn(const struct operation *operation)
{
    return operation->op >= PROGRAM_TXN_ALLOC;
}

static inline bool is_zeroed(const struct operation *operation)
{
    return operation->op == PROGRAM_CALLOC || operation->op == PROGRAM_TXN_CALLOC;
}

static _Noreturn void fail_allocation(size_t size)
{
    child_fail("the allocator returned NULL for %zu bytes", size);
}

/* Where the allocator has no transactions. */
static __attribute__((noinline)) void *call_no_txn_birth(size_t alignment, bool is_zeroed,
                                                         size_t size)
{
    if (alignment <= _Alignof(max_align_t))
        return is_zeroed ? calloc(1, size) : malloc(size);
    void *p = align(alignment, size);
    if (is_zeroed && p != NULL)
        memset(p, 0, size);
    return p;
}

/* In a program the alignment is a constant, and mostly this one. */
static inline __attribute__((always_inline)) void *call_txn_birth(const struct runner *runner,
                                                                  bool is_zeroed, size_t size)
{
    enum { MALLOCS = _Alignof(max_align_t) };
    struct mpress_txn *txn = runner->txn;
    if (__builtin_expect(txn == NULL, 0))
        return call_no_txn_birth(runner->alignment, is_zeroed, size);
    void *p = __builtin_expect(runner->alignment == MALLOCS, 1)
                  ? mpress_txn_alloc(txn, size, MALLOCS)
                  : (mpress_txn_alloc)(txn, size, runner->alignment);
    if (is_zeroed && p != NULL)
        memset(p, 0, size);
    return p;
}

static inline __attribute__((always_inline)) void *
call_birth(struct runner *runner, const struct operation *operation, enum program_mode mode)
{
    size_t size = at_least_one(operation->size);
    if (mode == PROGRAM_NULL)
        return bump(runner, size);
    if (operation->op == PROGRAM_MALLOC)
        return malloc(size);
    if (operation->op == PROGRAM_CALLOC)
        return calloc(1, size);
    if (is_in_txn(operation))
        return call_txn_birth(runner, operation->op == PROGRAM_TXN_CALLOC, size);
    return align((size_t)1 << operation->alignment_log2, size);
}

static inline void put_object(struct slot *slot, void *object, bool is_handed)
{
    /* release: pairs with the acquire in take_object */
    atomic_store_explicit(&slot->object, object, memory_order_release);
    if (is_handed)
        gate_hand_over();
}

static inline void *take_object(struct runner *runner, struct slot *slot)
{
    void *object = atomic_load_explicit(&slot->object, memory_order_acquire);
    return __builtin_expect(object != NULL, 1) ? object : gate_wait_for_object(runner, slot);
}

static inline __attribute__((always_inline)) void run_birth(struct runner *runner,
                                                            const struct operation *operation,
                                                            enum program_mode mode,
                                                            enum program_touch how)
{
    uint64_t begun = mode == PROGRAM_TIMED ? clock_ticks() : 0;
    void *object = call_birth(runner, operation, mode);
    if (mode == PROGRAM_TIMED)
        note_duration(runner, clock_ticks() - begun);
    if (__builtin_expect(object == NULL, 0))
        fail_allocation(operation->size);
    struct slot *slot = operation->slot;
    slot->size = is_in_txn(operation) ? operation->size | SLOT_IN_TXN : operation->size;
    if (mode == PROGRAM_CHECKED) {
        size_t alignment = natural_alignment(operation->size);
        if (operation->op == PROGRAM_ALIGNED)
            alignment = (size_t)1 << operation->alignment_log2;
        else if (is_in_txn(operation))
            alignment = runner->alignment;
        pattern_check_birth(object, is_zeroed(operation), operation->size, alignment);
        pattern_write(object, slot);
    }
    touch(object, mode == PROGRAM_CHECKED ? 0 : operation->size, how);
    runner->live += (int64_t)operation->size;
    put_object(slot, object, operation->is_handed);
}

/* With its transaction, or freed. */
static inline __attribute__((always_inline)) void
run_death(struct runner *runner, const struct operation *operation, enum program_mode mode)
{
    struct slot *slot = operation->slot;
    void *object = take_object(runner, slot);
    runner->live -= (int64_t)slot_size(slot);
    if (mode == PROGRAM_CHECKED)
        pattern_check(object, slot_size(slot), pattern_of(slot), "when it was freed");
    atomic_store_explicit(&slot->object, NULL, memory_order_relaxed); /* P2 */
    if (mode == PROGRAM_NULL || (is_in_txn(operation) && runner->txns != NULL))
        return;
    uint64_t begun = mode == PROGRAM_TIMED ? clock_ticks() : 0;
    free(object);
    if (mode == PROGRAM_TIMED)
        note_duration(runner, clock_ticks() - begun);
}

/* As realloc does, where transactions are in it. */
static inline void run_copy(struct runner *runner, struct slot *to, struct slot *from,
                            enum program_mode mode)
{
    void *object = take_object(runner, to), *old = take_object(runner, from);
    size_t size = slot_size(to) < slot_size(from) ? slot_size(to) : slot_size(from);
    if (mode == PROGRAM_NULL)
        return;
    memcpy(object, old, size);
    if (mode == PROGRAM_CHECKED) {
        pattern_check(object, size, pattern_of(from), "after it was copied");
        pattern_write(object, to);
    }
}

static inline __attribute__((always_inline)) const uint64_t *
run_txn(struct runner *runner, const struct operation *operation, const uint64_t *at,
        enum program_mode mode)
{
    uint32_t txn = (uint32_t)(operation->slot - runner->slots);
    uint64_t begun = mode == PROGRAM_TIMED ? clock_ticks() : 0;
    at = txns_run(runner, (enum program_control)operation->size, txn, at);
    if (mode == PROGRAM_TIMED && runner->txns != NULL)
        note_duration(runner, clock_ticks() - begun);
    return at;
}

static inline __attribute__((always_inline)) void run_move(struct runner *runner,
                                                           const struct operation *operation,
                                                           struct slot *to, enum program_mode mode,
                                                           enum program_touch how)
{
    struct slot *slot = operation->slot;
    void *old = take_object(runner, slot);
    size_t old_size = slot->size;
    uint64_t pattern = pattern_of(slot);
    size_t size = at_least_one(operation->size);
    if (mode == PROGRAM_CHECKED)
        pattern_check(old, old_size, pattern, "before it was reallocated");
    runner->live += (int64_t)operation->size - (int64_t)old_size;
    atomic_store_explicit(&slot->object, NULL, memory_order_relaxed); /* P2 */
    uint64_t begun = mode == PROGRAM_TIMED ? clock_ticks() : 0;
    void *object = mode == PROGRAM_NULL ? bump(runner, size) : realloc(old, size);
    if (mode == PROGRAM_TIMED)
        note_duration(runner, clock_ticks() - begun);
    if (__builtin_expect(object == NULL, 0))
        fail_allocation(operation->size);
    to->size = operation->size;
    if (mode == PROGRAM_CHECKED) {
        pattern_check(object, old_size < operation->size ? old_size : operation->size, pattern,
                      "after it was reallocated");
        pattern_write(object, to);
    }
    touch(object, mode == PROGRAM_CHECKED ? 0 : operation->size, how);
    put_object(to, object, operation->is_handed);
}

/* Constant arguments and the attribute make a loop without a test for each mode. */
static inline __attribute__((always_inline)) void run(struct runner *runner, enum program_mode mode,
                                                      enum program_touch how)
{
    const uint64_t *words = runner->child->words;
    struct slot *slots = runner->slots;
    const uint64_t *at = runner->part;
    for (;;) {
        uint64_t word = *at++;
        struct operation operation = {.op = word & PROGRAM_OP_MASK,
                                      .is_handed = (word & PROGRAM_HANDED) != 0,
                                      .size = (uint32_t)word >> PROGRAM_SIZE_SHIFT,
                                      .slot = &slots[word >> PROGRAM_SLOT_SHIFT]};
        if (__builtin_expect(operation.size == PROGRAM_SIZE_FOLLOWS, 0))
            operation.size = *at++;
        switch (operation.op) {
        case PROGRAM_ALIGNED:
            operation.alignment_log2 = (unsigned)*at++;
            run_birth(runner, &operation, mode, how);
            break;
        case PROGRAM_MALLOC:
            operation.op = PROGRAM_MALLOC; /* a constant: each has code of its own */
            run_birth(runner, &operation, mode, how);
            break;
        case PROGRAM_CALLOC:
        case PROGRAM_TXN_CALLOC:
            run_birth(runner, &operation, mode, how);
            break;
        case PROGRAM_TXN_ALLOC:
            operation.op = PROGRAM_TXN_ALLOC;
            run_birth(runner, &operation, mode, how);
            break;
        case PROGRAM_FREE:
        case PROGRAM_TXN_FREE:
            run_death(runner, &operation, mode);
            break;
        case PROGRAM_COPY:
            run_copy(runner, operation.slot, &slots[*at++], mode);
            break;
        case PROGRAM_REALLOC:
            run_move(runner, &operation, operation.slot, mode, how);
            break;
        case PROGRAM_REALLOC_TO:
            run_move(runner, &operation, &slots[*at++], mode, how);
            break;
        default:
            if (operation.size == PROGRAM_END)
                return;
            if (operation.size == PROGRAM_JUMP)
                at = words + *at;
            else if (operation.size == PROGRAM_WINDOW)
                at = gate_pass(runner);
            else if (operation.size != PROGRAM_PACE)
                at = run_txn(runner, &operation, at, mode);
            else if (mode == PROGRAM_NULL)
                at++;
            else
                gate_pace(runner, *at++);
        }
    }
}

/* -- the loops -------------------------------------------------------------------------------- */

void engine_run(struct runner *runner)
{
    enum program_touch how = runner->child->touch;
    switch (runner->child->mode) {
    case PROGRAM_TIMED:
        run(runner, PROGRAM_TIMED, how);
        break;
    case PROGRAM_CHECKED:
        run(runner, PROGRAM_CHECKED, PROGRAM_TOUCH_NONE);
        break;
    case PROGRAM_NULL:
        run(runner, PROGRAM_NULL, PROGRAM_TOUCH_NONE);
        break;
    default:
        if (how == PROGRAM_TOUCH_PAGES)
            run(runner, PROGRAM_PLAIN, PROGRAM_TOUCH_PAGES);
        else
            run(runner, PROGRAM_PLAIN, how);
    }
}
