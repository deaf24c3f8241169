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
#include "allocators/heap.h"
#include "allocators/mimalloc_heap.h"
#include "preload/caller.h"
#include "preload/emergency.h"
#include "preload/entered.h"
#include "preload/failing.h"
#include "preload/init.h"
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

static bool is_recording(void)
{
    /* busy: the tracer counts it as lost */
    return MP_UNLIKELY(view() != DOOR_SEES_LITTLE) && tracer_is_on();
}

static bool is_sampling(void)
{
    return view() == DOOR_SEES_SAMPLES && tracer_is_on();
}

static void record_free(void *p)
{
    if (is_recording() && !emergency_owns(p) && (view() == DOOR_SEES_ALL || heap_is_apart(p)))
        tracer_free(p);
}

static void record_dropped(void)
{
    if (is_recording() && !is_sampling())
        tracer_dropped();
}

/* After what a thread did behind its last destructor: its lane is free for another at once. */
static void leave_lane(void)
{
    if (MP_UNLIKELY(view() != DOOR_SEES_LITTLE) && hand.state == CACHE_DEAD)
        tracer_thread_exit();
}

/* -- in and out ------------------------------------------------------------------------------- */

static inline bool is_quiet(void)
{
    return MP_LIKELY(atomic_load_explicit(&init_mark->is_quiet, memory_order_relaxed));
}

static inline void notice(uintptr_t caller)
{
    if (!is_quiet())
        init_notice(caller);
}

/* caller: from where the program called for memory; 0: it did not. */
static inline bool come_in(uintptr_t caller)
{
    if (MP_UNLIKELY(hand.inside != 0))
        return false;
    notice(caller);
    hand.inside = 1;
    return true;
}

bool door_come_in(void)
{
    return come_in(0);
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

static void defer_free(void *p)
{
    if (emergency_owns(p))
        emergency_free();
    else if (deferred.count < DEFERRED_MAX)
        deferred.blocks[deferred.count++] = p;
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

/* In a signal handler that interrupted this thread's allocator. */
static void *allocate_in_emergency(const struct request *request)
{
    void *p = emergency_alloc(request->bytes, request->alignment);
    if (p == NULL)
        errno = ENOMEM;
    record_dropped();
    return p;
}

static void *serve_sample(const struct request *request)
{
    return sampled_alloc(request->alignment, request->bytes, (request->bits & TRACE_ZEROED) != 0);
}

/* The watch found no room at first. */
static __attribute__((noinline, cold)) void *insist(const struct request *request)
{
    void *p = NULL;
    for (unsigned tries = 0; p == NULL && watch_makes_room(request->bytes, true, tries); tries++) {
        if (door_come_in()) {
            p = serve(request);
            door_go_out();
        }
        watch_done();
    }
    if (p == NULL)
        errno = ENOMEM;
    return p;
}

static void *allocate_now(const struct request *request, struct tracer_caller caller)
{
    void *p = NULL;
    bool is_sample = false;
    if (MP_UNLIKELY(!come_in(caller.ip)))
        return allocate_in_emergency(request);
    bool is_possible = !failing_refuses() && request->bytes <= PTRDIFF_MAX;
    if (MP_LIKELY(is_possible)) {
        if (is_sampling() && tracer_takes(request->bytes))
            is_sample = (p = serve_sample(request)) != NULL;
        if (p == NULL)
            p = serve(request);
    }
    door_go_out();
    if (MP_UNLIKELY(p == NULL) && is_possible)
        p = insist(request);
    else if (MP_UNLIKELY(p == NULL))
        errno = ENOMEM;
    if (!is_recording())
        return p;
    if (p == NULL)
        tracer_failed(request->bytes, &caller);
    else if (is_sample || view() == DOOR_SEES_ALL)
        tracer_alloc(p, request->bytes, request->alignment, request->bits, &caller);
    leave_lane();
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
    if (MP_LIKELY(bytes <= PTRDIFF_MAX) && MP_LIKELY(come_in(CALLER_HERE.ip))) {
        bool zeroed = (bits & TRACE_ZEROED) != 0;
        p = zeroed ? mimalloc_alloc_zeroed(bytes) : mimalloc_alloc(bytes);
        door_go_out();
    }
    if (MP_LIKELY(p != NULL))
        return p;
    return allocate(&(struct request){.bytes = bytes, .bits = bits}, CALLER_HERE);
}

/* What is recorded can mostly be had from the thread's own magazine too. */
static __attribute__((noinline)) void *serve_by_any(size_t bytes, unsigned bits)
{
    bool is_seen = view_records() && is_quiet();
    void *p = is_seen ? recorded_pass(bytes) : NULL;
    if (p == NULL)
        return allocate(&(struct request){.bytes = bytes, .bits = bits}, CALLER_HERE);
    if ((bits & TRACE_ZEROED) != 0)
        memset(p, 0, size_tables.classes[size_class_of(bytes)].bytes);
    struct tracer_caller caller = CALLER_HERE;
    tracer_alloc(p, bytes, 0, bits, &caller);
    return p;
}

/* Most of what comes while samples are taken; NULL: not this time. Here, so that it needs no frame.
 */
static inline void *pass_by(size_t bytes, unsigned bits)
{
    void *p = MP_LIKELY(view_passes()) ? sampled_pass(bytes) : NULL;
    if (p != NULL && (bits & TRACE_ZEROED) != 0)
        memset(p, 0, size_tables.classes[size_class_of(bytes)].bytes);
    return p;
}

/* Tail calls: the frame of either lies right below the program's. */
static inline void *serve_unaligned(size_t bytes, unsigned bits)
{
    void *p = MP_LIKELY(hand.arena == NULL) ? pass_by(bytes, bits) : entered_alloc(bytes, bits);
    if (p != NULL)
        return p;
    bool is_for_other = bytes >= view_other_from() && !watch_is_on() && hand.arena == NULL;
    return MP_UNLIKELY(is_for_other) ? serve_by_other(bytes, bits) : serve_by_any(bytes, bits);
}

void *door_malloc(size_t bytes)
{
    return serve_unaligned(bytes, 0);
}

void *door_calloc(size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total))
        total = SIZE_MAX; /* refused further down, like any other impossible size */
    return serve_unaligned(total, TRACE_ZEROED);
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
    return serve_unaligned(bytes, TRACE_CPP);
}

void *door_new_aligned(size_t alignment, size_t bytes)
{
    const struct request request = {.bytes = bytes, .alignment = alignment, .bits = TRACE_CPP};
    return allocate(&request, CALLER_HERE);
}

/* -- freeing ---------------------------------------------------------------------------------- */

static __attribute__((noinline)) void free_by_any(void *p)
{
    if (p == NULL || heap_free_parked(p))
        return;
    notice(0);
    if (MP_UNLIKELY(hand.inside != 0)) {
        defer_free(p);
        return;
    }
    bool is_recorded = false;
    if (view() == DOOR_SEES_ALL && recorded_free(p, &is_recorded))
        return;
    if (!is_recorded)
        record_free(p);
    if (door_come_in()) {
        route_free(p);
        door_go_out();
    }
    leave_lane();
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

void door_free(void *p)
{
    if (!entered_free(p) && (MP_LIKELY(view_other_from() == SIZE_MAX) || !free_by_other(p)))
        free_by_any(p);
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

/* In a signal handler that interrupted this thread's allocator: no lock may be asked for. 0: the
 * answer needs one. */
static size_t usable_without_locks(const void *p)
{
    if (emergency_owns(p))
        return emergency_usable(p);
    return space_owns(p) ? heap_usable(p) : 0;
}

size_t door_usable(const void *p)
{
    if (p == NULL)
        return 0;
    if (MP_UNLIKELY(!door_come_in()))
        return usable_without_locks(p);
    size_t usable = route_usable(p);
    door_go_out();
    return usable;
}

/* -- resizing --------------------------------------------------------------------------------- */

/* In a signal handler that interrupted this thread's allocator. */
static void *realloc_in_emergency(void *p, size_t bytes)
{
    size_t usable = usable_without_locks(p);
    void *moved = usable != 0 ? emergency_alloc(bytes, 0) : NULL;
    if (moved == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    memcpy(moved, p, usable < bytes ? usable : bytes);
    record_dropped();
    defer_free(p);
    return moved;
}

static void *resize(void *p, size_t bytes, struct tracer_caller caller)
{
    if (!route_resize(p, bytes))
        return NULL;
    tracer_realloc(p, p, bytes, &caller);
    return p;
}

/* Pages that move leave their old address to anybody at once: so its end is recorded first. */
static void *remap_recorded(void *p, size_t bytes, struct tracer_caller caller)
{
    size_t usable = route_usable(p);
    tracer_free(p);
    void *moved = route_realloc(p, bytes);
    tracer_alloc(moved != NULL ? moved : p, moved != NULL ? bytes : usable, 0, 0, &caller);
    return moved;
}

/* In steps, so that the move is recorded while both blocks exist. */
static void *realloc_recorded(void *p, size_t bytes, struct tracer_caller caller)
{
    if (resize(p, bytes, caller) != NULL)
        return p;
    if (route_remaps(p, bytes))
        return remap_recorded(p, bytes, caller);
    size_t usable = route_usable(p);
    void *moved = route_alloc_instead(p, bytes);
    if (moved == NULL && bytes <= usable)
        tracer_realloc(p, p, bytes, &caller); /* shrinking never fails */
    if (moved == NULL)
        return bytes <= usable ? p : NULL;
    memcpy(moved, p, usable < bytes ? usable : bytes);
    tracer_realloc(p, moved, bytes, &caller);
    route_free(p);
    return moved;
}

static void *resize_block(void *p, size_t bytes, struct tracer_caller caller)
{
    if (!is_recording())
        return route_realloc(p, bytes);
    return view() == DOOR_SEES_ALL ? realloc_recorded(p, bytes, caller)
                                   : sampled_realloc(p, bytes, &caller);
}

static __attribute__((noinline, cold)) void *insist_on_resizing(void *p, size_t bytes,
                                                                struct tracer_caller caller)
{
    void *moved = NULL;
    for (unsigned tries = 0; moved == NULL && watch_makes_room(bytes, true, tries); tries++) {
        if (door_come_in()) {
            moved = resize_block(p, bytes, caller);
            door_go_out();
        }
        watch_done();
    }
    return moved;
}

static void *reallocate_now(void *p, size_t bytes, struct tracer_caller caller)
{
    if (MP_UNLIKELY(!come_in(caller.ip)))
        return realloc_in_emergency(p, bytes);
    void *moved = NULL;
    bool is_possible = !failing_refuses() && bytes <= PTRDIFF_MAX;
    if (is_possible)
        moved = resize_block(p, bytes, caller);
    door_go_out();
    if (MP_UNLIKELY(moved == NULL) && is_possible)
        moved = insist_on_resizing(p, bytes, caller);
    if (moved == NULL) {
        errno = ENOMEM;
        if (is_recording())
            tracer_failed(bytes, &caller);
    }
    leave_lane();
    return moved;
}

static void *reallocate(void *p, size_t bytes, struct tracer_caller caller)
{
    struct watch_call call;
    if (!watch_is_on() || hand.inside != 0)
        return reallocate_now(p, bytes, caller);
    watch_begin(&call);
    void *moved = reallocate_now(p, bytes, caller);
    watch_end(&call, bytes);
    return moved;
}

void *door_realloc(void *p, size_t bytes)
{
    if (p == NULL)
        return allocate(&(struct request){.bytes = bytes}, CALLER_HERE);
    if (bytes != 0)
        return reallocate(p, bytes, CALLER_HERE);
    door_free(p); /* glibc: realloc(p, 0) frees */
    return NULL;
}
