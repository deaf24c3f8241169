/* mappings.c - mmap and its family, so that a trace can tell who maps what: passed on as they are.
 *
 * They are the kernel's calls (brk and sbrk libc's, which remembers the break), so that they work
 * before this library is initialised, in the loader, and in signal handlers. What libc and the
 * loader map for themselves does not come by here; the tables of the trace show it.
 *
 * A range is recorded as mapped after the call and as unmapped before it: so another thread that is
 * given it at once comes later in the trace, too. */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/os.h"
#include "allocators/cache.h"
#include "allocators/growth.h"
#include "preload/budget_slot.h"
#include "preload/caller.h"
#include "preload/gauge.h"
#include "preload/init.h"
#include "preload/mapped.h"
#include "preload/next.h"
#include "preload/watch.h"
#include "tracer/tracer.h"

#define FAILED ((void *)-1)

/* Inside the door it is another heap (mimalloc) that maps. */
static bool is_recorded(void)
{
    if (!tracer_is_on() || hand.inside != 0)
        return false;
    if (!init_mark->is_ours)
        init_notice(0);
    return true;
}

static void record(uintptr_t start, size_t bytes, unsigned bits, struct tracer_caller caller)
{
    const struct tracer_mapping mapping = {.start = start, .bytes = bytes, .bits = bits};
    tracer_mapped(&mapping, &caller);
}

static void *give(uintptr_t start, int error)
{
    if (error == 0)
        return (void *)start;
    errno = error;
    return FAILED;
}

/* The last mapping that was refused. Any thread: a mixture of two is only looked at for longer. */
static struct {
    _Atomic uint64_t ns;
    _Atomic size_t bytes, mapped; /* mapped_bytes then */
} refused;

/* The answer would be the same, as nothing was unmapped since, and that was a millisecond ago at
 * most: python3 asks for an arena again for each object while it cannot have one, 2,000 times a
 * request of a service, and to look takes 20 us. */
static bool was_just_refused(size_t bytes)
{
    return bytes >= atomic_load_explicit(&refused.bytes, memory_order_relaxed) &&
           mapped_bytes() >= atomic_load_explicit(&refused.mapped, memory_order_relaxed) &&
           os_time_ns() - atomic_load_explicit(&refused.ns, memory_order_relaxed) < 1000000;
}

static void note_refused(size_t bytes)
{
    atomic_store_explicit(&refused.bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&refused.mapped, mapped_bytes(), memory_order_relaxed);
    atomic_store_explicit(&refused.ns, os_time_ns(), memory_order_relaxed);
}

static bool may_map_more(size_t bytes)
{
    bool may = false;
    if (was_just_refused(bytes))
        return false;
    for (unsigned tries = 0; !may && watch_makes_room(bytes, false, tries); tries++) {
        may = growth_take(bytes);
        watch_done();
    }
    if (!may)
        note_refused(bytes);
    return may;
}

/* Whether the program may have so much more for itself; mimalloc's blocks count by themselves. */
static bool may_map(size_t bytes)
{
    int kept = errno;
    bool may = growth_take(bytes) || may_map_more(bytes);
    errno = kept;
    return may;
}

/* The system has refused what was allowed here. */
static void note_denied(int error)
{
    if (error == ENOMEM)
        budget_add(&budget_slot->denied, 1);
}

/* ENOMEM is also the answer to a range with a hole in it; then nothing was refused. */
static void note_unprotected(const void *start, size_t bytes, int error)
{
    if (error == ENOMEM && budget_is_attached() && os_is_mapped(start, bytes))
        note_denied(error);
}

/* Says what lies there now, when somebody counts. */
static void count_mapped(uintptr_t start, size_t bytes, bool counts)
{
    if (!watch_is_on())
        return;
    if (!counts || hand.inside != 0) {
        mapped_remove(start, bytes);
        return;
    }
    mapped_add(start, bytes);
    gauge_follow_peak(bytes);
}

static void count_request(uintptr_t start, const struct os_request *request, bool counts)
{
    if (watch_is_on() && os_request_reserves(request) && hand.inside == 0)
        mapped_reserve(start, request->bytes);
    else
        count_mapped(start, request->bytes, counts);
}

/* -- mmap ------------------------------------------------------------------------------------- */

EXPORTED void *mmap(void *start, size_t bytes, int protection, int flags, int fd, long offset)
{
    int error, kept = errno;
    const struct os_request request = {.start = (uintptr_t)start,
                                       .bytes = bytes,
                                       .protection = protection,
                                       .flags = flags,
                                       .fd = fd,
                                       .offset = offset};
    bool counts = os_request_counts(&request);
    if (counts && !may_map(bytes))
        return give(0, ENOMEM);
    uintptr_t mapped = os_program_map(&request, &error);
    if (error == 0)
        count_request(mapped, &request, counts);
    else if (counts)
        growth_give(bytes);
    if (error != 0)
        note_denied(error);
    if (error == 0 && is_recorded()) {
        const struct tracer_mapping mapping = {
            .start = mapped, .bytes = bytes, .protection = protection, .flags = flags};
        const struct tracer_caller caller = CALLER_HERE;
        tracer_mapped(&mapping, &caller);
        errno = kept;
    }
    return give(mapped, error);
}

EXPORTED void *mmap64(void *start, size_t bytes, int protection, int flags, int fd, long offset)
    __attribute__((alias("mmap")));

/* -- mprotect --------------------------------------------------------------------------------- */

static void change_mapped(uintptr_t start, size_t bytes, bool counts)
{
    mapped_change(start, bytes, counts);
    if (counts)
        gauge_follow_peak(bytes);
}

/* What was reserved counts once it can be written to, and no more when nobody can reach it: so V8
 * takes memory and gives it back. Pages that are left there all the same, RssAnon shows. */
EXPORTED int mprotect(void *start, size_t bytes, int protection)
{
    int kept = errno;
    bool commits = os_protection_writes(protection);
    bool changes = watch_is_on() && (commits || os_protection_hides(protection));
    size_t more = commits && changes ? mapped_reserved((uintptr_t)start, bytes) : 0;
    bool may = more == 0 || may_map(more);
    int error = may ? os_program_protect((uintptr_t)start, bytes, protection) : ENOMEM;
    if (error == 0 && changes)
        change_mapped((uintptr_t)start, bytes, commits);
    else if (error != 0 && may && more != 0)
        growth_give(more);
    if (may)
        note_unprotected(start, bytes, error);
    errno = error == 0 ? kept : error;
    return error == 0 ? 0 : -1;
}

/* -- munmap ----------------------------------------------------------------------------------- */

/* The kernel refuses other ranges, and nothing changes. */
static bool is_range(uintptr_t start, size_t bytes)
{
    return start % os_page_bytes() == 0 && bytes != 0 && start + bytes > start;
}

EXPORTED int munmap(void *start, size_t bytes)
{
    int kept = errno;
    bool is_told = is_range((uintptr_t)start, bytes) && is_recorded();
    if (is_told)
        tracer_unmapped((uintptr_t)start, bytes);
    int error = os_program_unmap((uintptr_t)start, bytes);
    if (error == 0)
        count_mapped((uintptr_t)start, bytes, false);
    if (error != 0 && is_told)
        record((uintptr_t)start, bytes, TRACE_MAPPED_RESTORED, CALLER_HERE);
    errno = error == 0 ? kept : error;
    return error == 0 ? 0 : -1;
}

/* -- mremap ----------------------------------------------------------------------------------- */

/* The range that mremap may take from its place; none: bytes are 0. */
static struct tracer_mapping range_given_up(const struct os_request *request)
{
    struct tracer_mapping range = {.start = request->start, .bits = TRACE_MAPPED_RESTORED};
    if (!is_range(request->start, request->bytes) || os_remap_keeps_old(request->flags))
        return range;
    if (os_remap_may_move(request->flags)) {
        range.bytes = request->bytes;
    } else if (request->new_bytes < request->bytes && request->new_bytes != 0) {
        size_t page = os_page_bytes();
        size_t rest = (request->new_bytes + page - 1) / page * page;
        range.start += rest;
        range.bytes = request->bytes > rest ? request->bytes - rest : 0;
    }
    return range;
}

static uintptr_t remap(const struct os_request *request, int *error)
{
    uintptr_t moved = os_program_remap(request, error);
    note_denied(*error);
    if (*error != 0 || !watch_is_on())
        return moved;
    mapped_move(request->start, request->bytes, moved, request->new_bytes,
                os_remap_keeps_old(request->flags));
    gauge_follow_peak(request->new_bytes > request->bytes ? request->new_bytes - request->bytes
                                                          : 0);
    return moved;
}

static void *remap_recorded(const struct os_request *request, struct tracer_caller caller)
{
    int error, kept = errno;
    const struct tracer_mapping range = range_given_up(request);
    if (range.bytes != 0)
        tracer_unmapped(range.start, range.bytes);
    uintptr_t moved = remap(request, &error);
    if (error == 0)
        record(moved, request->new_bytes, TRACE_MAPPED_MOVED, caller);
    else if (range.bytes != 0)
        tracer_mapped(&range, &caller);
    errno = kept;
    return give(moved, error);
}

EXPORTED void *mremap(void *start, size_t bytes, size_t new_bytes, int flags, ...)
{
    int error;
    struct os_request request = {
        .start = (uintptr_t)start, .bytes = bytes, .new_bytes = new_bytes, .flags = flags};
    if (os_remap_is_fixed(flags)) { /* else there is no such argument */
        va_list more;
        va_start(more, flags);
        request.new_start = (uintptr_t)va_arg(more, void *);
        va_end(more);
    }
    if (new_bytes > bytes && !may_map(new_bytes - bytes))
        return give(0, ENOMEM);
    if (is_recorded())
        return remap_recorded(&request, CALLER_HERE);
    uintptr_t moved = remap(&request, &error);
    return give(moved, error);
}

/* -- the program break ------------------------------------------------------------------------ */

static void count_break(uintptr_t old, uintptr_t new)
{
    if (new > old)
        count_mapped(old, new - old, true);
    else if (new < old)
        count_mapped(new, old - new, false);
}

static void record_break(uintptr_t old, uintptr_t new, struct tracer_caller caller)
{
    if (new > old)
        record(old, new - old, TRACE_MAPPED_BREAK, caller);
    else if (new < old)
        tracer_unmapped(new, old - new);
}

EXPORTED void *sbrk(intptr_t bytes)
{
    static _Atomic(void *) known;
    void *(*real)(intptr_t);
    void *next = next_find("sbrk", &known);
    if (next == NULL)
        return give(0, ENOMEM);
    memcpy(&real, &next, sizeof(real));
    if (bytes > 0 && !may_map((size_t)bytes))
        return give(0, ENOMEM);
    void *old = real(bytes);
    int kept = errno;
    if (old == FAILED)
        note_denied(kept);
    if (old != FAILED)
        count_break((uintptr_t)old, (uintptr_t)old + (uintptr_t)bytes);
    if (old != FAILED && bytes != 0 && is_recorded())
        record_break((uintptr_t)old, (uintptr_t)old + (uintptr_t)bytes, CALLER_HERE);
    errno = kept;
    return old;
}

/* libc's, and what the break was. */
static int set_break(void *end, uintptr_t *old)
{
    static _Atomic(void *) known;
    int (*real)(void *);
    void *next = next_find("brk", &known);
    if (next == NULL) {
        errno = ENOMEM;
        return -1;
    }
    memcpy(&real, &next, sizeof(real));
    *old = os_program_break();
    if ((uintptr_t)end > *old && !may_map((uintptr_t)end - *old)) {
        errno = ENOMEM;
        return -1;
    }
    int result = real(end);
    if (result != 0)
        note_denied(errno);
    return result;
}

EXPORTED int brk(void *end)
{
    uintptr_t old;
    int result = set_break(end, &old);
    int kept = errno;
    if (result == 0)
        count_break(old, (uintptr_t)end);
    if (result == 0 && is_recorded())
        record_break(old, (uintptr_t)end, CALLER_HERE);
    errno = kept;
    return result;
}

/* -- shared memory of System V ---------------------------------------------------------------- */

EXPORTED void *shmat(int segment, const void *start, int flags)
{
    int error, kept = errno;
    uintptr_t attached = os_program_attach(segment, (uintptr_t)start, flags, &error);
    struct os_request request;
    if (error != 0 || (!watch_is_on() && !tracer_is_on()) ||
        !os_segment_read(segment, flags, &request))
        return give(attached, error);
    count_mapped(attached, request.bytes, false); /* it may lie over what was there */
    if (is_recorded()) {
        const struct tracer_mapping mapping = {.start = attached,
                                               .bytes = request.bytes,
                                               .protection = request.protection,
                                               .flags = request.flags};
        const struct tracer_caller caller = CALLER_HERE;
        tracer_mapped(&mapping, &caller);
    }
    errno = kept;
    return (void *)attached;
}

/* The kernel keeps each segment that is attached as a mapping of its own. */
static void find_segment(const struct os_mapping *mapping, void *context)
{
    struct tracer_mapping *segment = context;
    if (mapping->start == segment->start && mapping->is_shared)
        segment->bytes = mapping->end - mapping->start;
}

EXPORTED int shmdt(const void *start)
{
    int kept = errno;
    struct tracer_mapping segment = {.start = (uintptr_t)start};
    if (is_recorded())
        os_visit_areas(find_segment, &segment);
    if (segment.bytes != 0)
        tracer_unmapped(segment.start, segment.bytes);
    int error = os_program_detach(segment.start);
    if (error != 0 && segment.bytes != 0)
        record(segment.start, segment.bytes, TRACE_MAPPED_RESTORED, CALLER_HERE);
    errno = error == 0 ? kept : error;
    return error == 0 ? 0 : -1;
}
