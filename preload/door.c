/* door.c - serves what the hot path cannot, records it when a trace runs.
 *
 * An allocation is recorded after it was made, a free before it is done: so the lives of one
 * address never overlap in the trace. */
#include "preload/door.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/growth.h"
#include "allocators/heap.h"
#include "allocators/mimalloc_heap.h"
#include "preload/budget_slot.h"
#include "preload/caller.h"
#include "preload/door_way.h"
#include "preload/emergency.h"
#include "preload/entered.h"
#include "preload/failing.h"
#include "preload/init.h"
#include "preload/latency.h"
#include "preload/recorded.h"
#include "preload/route.h"
#include "preload/sampled.h"
#include "preload/view.h"
#include "preload/watch.h"
#include "tracer/tracer.h"

static bool is_checked; /* set while one thread runs */

/* Blocks that a signal handler freed while its thread was in here; freed on the way out. What does
 * not fit is lost: it is a handful of blocks, and the alternative is a deadlock. */
enum { DEFERRED_MAX = 8 };
static _Thread_local struct {
    void *blocks[DEFERRED_MAX];
    _Atomic uint32_t count; /* a handler raises it between any two instructions */
} deferred __attribute__((tls_model("initial-exec")));

void door_set_checked(void)
{
    is_checked = true;
    heap_set_checked();
}

static bool is_sampling(void)
{
    return view() == DOOR_SEES_SAMPLES && tracer_is_on();
}

/* Of a block whose birth was dropped the death is too. */
static void record_free(void *p)
{
    if (!way_is_recorded())
        return;
    if (emergency_owns(p))
        way_record_dropped();
    else if (view() == DOOR_SEES_ALL || heap_is_apart(p))
        tracer_free(p);
}

void way_record_dropped(void)
{
    if (way_is_recorded() && !is_sampling())
        tracer_dropped();
}

/* -- in and out ------------------------------------------------------------------------------- */

bool door_come_in(void)
{
    return way_come_in(0);
}

/* Recorded only now: inside a handler the tracer's locks could be waited for in a circle. */
static __attribute__((noinline, cold)) void free_deferred(void)
{
    hand.inside = 1;
    uint32_t count;
    while ((count = deferred.count) > 0) {
        void *p = deferred.blocks[count - 1];
        if (!atomic_compare_exchange_strong(&deferred.count, &count, count - 1))
            continue; /* another one came meanwhile: it is the last now */
        record_free(p);
        route_free(p);
    }
    hand.inside = 0;
}

void door_go_out(void)
{
    hand.inside = 0;
    if (MP_UNLIKELY(deferred.count > 0))
        free_deferred();
}

bool way_defer_free(void *p)
{
    if (emergency_owns(p)) {
        emergency_free();
        return false;
    }
    if (deferred.count == DEFERRED_MAX)
        return false;
    deferred.blocks[deferred.count++] = p;
    return true;
}

/* -- allocating ------------------------------------------------------------------------------- */

struct request {
    size_t bytes;
    size_t alignment; /* 0: none asked for */
    unsigned bits;    /* TRACE_ZEROED, TRACE_CPP */
};

static void *serve(const struct request *request)
{
    if ((request->bits & TRACE_ZEROED) != 0)
        return route_alloc_zeroed(request->bytes);
    if (request->alignment > 16)
        return route_alloc_aligned(request->alignment, request->bytes);
    return route_alloc(request->bytes);
}

/* *is_sample: it is to lie apart; afterwards, with a block, whether it does. */
static void *serve_as(const struct request *request, bool *is_sample)
{
    bool is_zeroed = (request->bits & TRACE_ZEROED) != 0;
    void *p = NULL;
    if (*is_sample)
        p = sampled_alloc(request->alignment, request->bytes, is_zeroed);
    if (p != NULL)
        return p;
    p = serve(request);
    *is_sample = *is_sample && p == NULL;
    return p;
}

/* In a signal handler that interrupted this thread's allocator. */
static void *allocate_in_emergency(const struct request *request)
{
    void *p = emergency_alloc(request->bytes, request->alignment);
    if (p == NULL)
        errno = ENOMEM;
    way_record_dropped();
    return p;
}

/* The watch found no room at first. */
static __attribute__((noinline, cold)) void *insist(const struct request *request, bool *is_sample)
{
    void *p = NULL;
    for (unsigned tries = 0; p == NULL && watch_makes_room(request->bytes, true, tries); tries++) {
        if (door_come_in()) {
            p = serve_as(request, is_sample);
            door_go_out();
        }
        watch_done();
    }
    if (p == NULL && growth_wanted == 0)
        budget_add(&budget_slot->denied, 1);
    if (p == NULL)
        errno = ENOMEM;
    return p;
}

static void *allocate_now(const struct request *request, struct tracer_caller caller)
{
    void *p = NULL;
    bool is_sample = false;
    uint64_t begun_ns = latency_begin(view() == DOOR_SEES_ALL);
    if (MP_UNLIKELY(!way_come_in(caller.ip)))
        return allocate_in_emergency(request);
    bool is_possible = !failing_refuses(request->bytes, caller.ip) && request->bytes <= PTRDIFF_MAX;
    if (MP_LIKELY(is_possible)) {
        is_sample = view() == DOOR_SEES_SAMPLES &&
                    sampled_takes(request->bytes, request->alignment) && tracer_is_on();
        p = serve_as(request, &is_sample);
    }
    door_go_out();
    if (MP_UNLIKELY(p == NULL) && is_possible)
        p = insist(request, &is_sample);
    else if (MP_UNLIKELY(p == NULL))
        errno = ENOMEM;
    latency_end(begun_ns);
    if (!way_is_recorded())
        return p;
    if (p == NULL)
        tracer_failed(request->bytes, &caller);
    else if (is_sample || view() == DOOR_SEES_ALL)
        tracer_alloc(p, request->bytes, request->alignment, request->bits, &caller);
    way_leave_lane();
    return p;
}

static __attribute__((noinline)) void *allocate_watched(const struct request *request,
                                                        struct tracer_caller caller)
{
    struct watch_call call;
    if (hand.inside != 0)
        return allocate_now(request, caller);
    watch_begin(&call);
    void *p = allocate_now(request, caller);
    watch_end(&call, request->bytes);
    return p;
}

static inline void *allocate(const struct request *request, struct tracer_caller caller)
{
    return watch_is_on() ? allocate_watched(request, caller) : allocate_now(request, caller);
}

/* What mimalloc serves while nobody looks: not much slower than it is itself. */
static __attribute__((noinline)) void *serve_by_other(size_t bytes, unsigned bits)
{
    void *p = NULL;
    if (MP_LIKELY(bytes <= PTRDIFF_MAX) && MP_LIKELY(way_come_in(CALLER_HERE.ip))) {
        bool zeroed = (bits & TRACE_ZEROED) != 0;
        p = zeroed ? mimalloc_alloc_zeroed(bytes) : mimalloc_alloc(bytes);
        door_go_out();
    }
    if (MP_LIKELY(p != NULL))
        return p;
    return allocate(&(struct request){.bytes = bytes, .bits = bits}, CALLER_HERE);
}

static __attribute__((noinline)) void *clear(void *p, size_t bytes)
{
    return memset(p, 0, size_tables.classes[size_class_of(bytes)].bytes);
}

/* What is recorded can mostly be had from the thread's own magazine too. */
void *way_serve_any(size_t bytes, unsigned bits)
{
    bool is_seen = view_records() && way_is_quiet();
    void *p = is_seen ? recorded_pass(bytes) : NULL;
    if (p == NULL)
        return allocate(&(struct request){.bytes = bytes, .bits = bits}, CALLER_HERE);
    if ((bits & TRACE_ZEROED) != 0)
        (void)clear(p, bytes);
    struct tracer_caller caller = CALLER_HERE;
    tracer_alloc(p, bytes, 0, bits, &caller);
    return p;
}

/* While neither events nor the next sample are recorded: what the thread has not at hand, or lies
 * apart. Tail calls from here on: the frame of each lies right below the program's. */
static __attribute__((noinline)) void *serve_further(size_t bytes, unsigned bits)
{
    void *p = MP_LIKELY(hand.arena == NULL) ? NULL : entered_alloc(bytes, bits);
    if (p != NULL)
        return p;
    bool is_for_other = bytes >= view_other_from() && !watch_is_on() && hand.arena == NULL;
    return MP_UNLIKELY(is_for_other) ? serve_by_other(bytes, bits) : way_serve_any(bytes, bits);
}

/* Most of what comes while samples are taken passes. */
static __attribute__((noinline)) void *serve_unrecorded(size_t bytes, unsigned bits)
{
    bool is_zeroed = (bits & TRACE_ZEROED) != 0;
    void *p = MP_UNLIKELY(view_passes()) ? sampled_pass(bytes, is_zeroed) : NULL;
    if (p == NULL)
        return serve_further(bytes, bits);
    return is_zeroed ? clear(p, bytes) : p;
}

void *door_malloc(size_t bytes)
{
    return view_records() ? recorded_malloc(bytes) : serve_unrecorded(bytes, 0);
}

void *door_calloc(size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        total = SIZE_MAX; /* refused further down, like any other impossible size */
    return view_records() ? recorded_calloc(total) : serve_unrecorded(total, TRACE_ZEROED);
}

void *door_memalign(size_t alignment, size_t bytes)
{
    return allocate(&(struct request){.bytes = bytes, .alignment = alignment}, CALLER_HERE);
}

int door_posix_memalign(void **p, size_t alignment, size_t bytes)
{
    int error = errno;
    void *block = allocate(&(struct request){.bytes = bytes, .alignment = alignment}, CALLER_HERE);
    errno = error;
    if (block == NULL)
        return ENOMEM;
    *p = block;
    return 0;
}

void *door_new(size_t bytes)
{
    return view_records() ? recorded_new(bytes) : serve_unrecorded(bytes, TRACE_CPP);
}

void *door_new_aligned(size_t alignment, size_t bytes)
{
    const struct request request = {.bytes = bytes, .alignment = alignment, .bits = TRACE_CPP};
    return allocate(&request, CALLER_HERE);
}

/* -- freeing ---------------------------------------------------------------------------------- */

void way_free_recorded(void *p)
{
    if (MP_UNLIKELY(tracer_may_watch(p)))
        tracer_look(p);
    if (door_come_in()) {
        route_free(p);
        door_go_out();
    }
    way_leave_lane();
}

void way_free_any(void *p)
{
    if (p == NULL || heap_free_parked(p))
        return;
    way_notice(0);
    if (MP_UNLIKELY(hand.inside != 0)) {
        if (!way_defer_free(p))
            way_record_dropped();
        return;
    }
    record_free(p);
    way_free_recorded(p);
}

void way_free_foreign(void *p)
{
    tracer_free(p);
    if (MP_UNLIKELY(!heap_push(p)))
        way_free_recorded(p);
}

/* False: it is none of mimalloc's, or a signal handler's. */
static inline bool free_by_other(void *p)
{
    if (MP_UNLIKELY(!door_come_in()))
        return false;
    bool is_done = mimalloc_free(p);
    door_go_out();
    return is_done;
}

static __attribute__((noinline)) void free_unrecorded(void *p)
{
    if (!entered_free(p) && (MP_LIKELY(view_other_from() == SIZE_MAX) || !free_by_other(p)))
        way_free_any(p);
}

void door_free(void *p)
{
    if (view_records())
        recorded_free(p);
    else
        free_unrecorded(p);
}

void door_free_sized(void *p, size_t bytes)
{
    if (p != NULL && is_checked && space_owns(p))
        MP_CHECK(heap_fits_shrunk(p, bytes), FAULT_WRONG_SIZE, p);
    door_free(p);
}

void door_free_aligned_sized(void *p, size_t bytes, size_t alignment)
{
    if (p != NULL && is_checked && space_owns(p))
        MP_CHECK(heap_fits(p, alignment, bytes), FAULT_WRONG_SIZE, p);
    door_free(p);
}

size_t way_usable_without_locks(const void *p)
{
    if (emergency_owns(p))
        return emergency_usable(p);
    return space_owns(p) ? heap_usable(p) : 0;
}

static __attribute__((noinline)) size_t usable_by_owner(const void *p)
{
    if (p == NULL)
        return 0;
    if (MP_UNLIKELY(!door_come_in()))
        return way_usable_without_locks(p);
    size_t usable = route_usable(p);
    door_go_out();
    return usable;
}

/* Asked for every block, before and after, by programs that count (redis). */
size_t door_usable(const void *p)
{
    size_t usable = view_records() && space_owns(p) ? heap_usable_by_hand(p) : 0;
    return usable != 0 ? usable : usable_by_owner(p);
}
