/* booking.c - each event under its stack, size, thread and age. */
#include "tools/analysis/booking.h"

#include "tools/analysis/looks.h"
#include "tools/analysis/unwritten.h"

enum { FIRST_SITES = 256 };

/* -- where an event is booked ----------------------------------------------------------------- */

uint32_t booking_find_site(struct analysis *analysis, uint32_t node)
{
    if (node >= analysis->facts->nodes)
        node = 0;
    uint32_t known = analysis->site_of_node[node];
    if (known != 0)
        return known - 1;
    if (analysis->sites == analysis->site_room) {
        size_t room = analysis->site_room == 0 ? FIRST_SITES : 2 * analysis->site_room;
        analysis->site = store_grow(analysis->store, analysis->site, analysis->site_room, room,
                                    sizeof analysis->site[0]);
        analysis->site_room = room;
    }
    uint32_t number = (uint32_t)analysis->sites++;
    analysis->site[number].node = node;
    analysis->site_of_node[node] = number + 1;
    return number;
}

static struct thread *find_thread(struct analysis *analysis, const struct trace_event *event)
{
    if (event->thread >= analysis->threads) {
        size_t threads = (size_t)event->thread + 1;
        analysis->thread = store_grow(analysis->store, analysis->thread, analysis->threads, threads,
                                      sizeof analysis->thread[0]);
        analysis->threads = threads;
    }
    struct thread *thread = &analysis->thread[event->thread];
    if (thread->began_ns == 0)
        thread->began_ns = event->time_ns;
    return thread;
}

static struct size_class *find_size_class(struct analysis *analysis, uint64_t size)
{
    unsigned class = size <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(size - 1);
    return &analysis->size[class];
}

/* 1233 / 4096 is a little more than log10 of 2, so that the product is right or one too much
 * (Warren, Hacker's Delight, 11-4). */
unsigned booking_find_life(uint64_t ns)
{
    static const uint64_t power[LIFE_CLASSES] = {0,
                                                 10,
                                                 100,
                                                 1000,
                                                 10000,
                                                 100000,
                                                 1000000,
                                                 10000000,
                                                 100000000,
                                                 1000000000,
                                                 10000000000,
                                                 100000000000,
                                                 1000000000000,
                                                 10000000000000,
                                                 100000000000000,
                                                 1000000000000000,
                                                 10000000000000000,
                                                 100000000000000000,
                                                 1000000000000000000,
                                                 UINT64_C(10000000000000000000)};
    unsigned class = (64 - (unsigned)__builtin_clzll(ns | 1)) * 1233 >> 12;
    return class - (ns < power[class]);
}

/* -- births and deaths ------------------------------------------------------------------------ */

static void note_peak(struct analysis *analysis, uint64_t time_ns)
{
    if (analysis->total.now.bytes <= analysis->peak_bytes)
        return;
    analysis->peak_bytes = analysis->total.now.bytes;
    analysis->peak_ns = time_ns;
    analysis->peak_serial++;
}

static void book_birth(struct analysis *analysis, const struct trace_event *event)
{
    uint32_t number = booking_find_site(analysis, event->stack);
    struct site *site = &analysis->site[number];
    struct thread *thread = find_thread(analysis, event);
    struct size_class *class = find_size_class(analysis, event->size);
    const struct amount one = booking_weigh(analysis, event->size, &event->object);
    uint64_t serial = analysis->peak_serial;

    amount_add(&site->all, &one);
    thread->allocations += one.blocks;
    thread->bytes += one.bytes;
    thread->last_seat = event->seat;
    class->allocations += one.blocks;
    class->bytes += one.bytes;
    analysis->allocations += one.blocks;
    analysis->allocated_bytes += one.bytes;

    held_add_amount(&site->held, &one, serial);
    held_add_amount(&thread->held, &one, serial);
    held_add_amount(&class->held, &one, serial);
    held_add_amount(&analysis->total, &one, serial);
    looks_add(analysis, event->time_ns, one.bytes);
    course_add(analysis, number, event->time_ns, one.bytes);
    spares_add(analysis, number, event, &one);
    if ((event->bits & TRACE_EVENT_ZEROED) != 0 && unwritten_concerns(analysis, event))
        amount_add(&analysis->callocs, &one);
    rate_add(analysis, number, event->time_ns, &one);
    note_peak(analysis, event->time_ns);
}

/* An object that dies. */
struct dead {
    uint64_t bytes;
    uint64_t born_ns;
    uint32_t site;
    uint32_t thread;
    struct amount one; /* what it stands for */
};

/* Takes it out of everything that holds it. */
static void book_death(struct analysis *analysis, const struct dead *dead, uint64_t time_ns)
{
    uint64_t serial = analysis->peak_serial;
    held_remove_amount(&analysis->site[dead->site].held, &dead->one, serial);
    held_remove_amount(&analysis->thread[dead->thread].held, &dead->one, serial);
    held_remove_amount(&find_size_class(analysis, dead->bytes)->held, &dead->one, serial);
    held_remove_amount(&analysis->total, &dead->one, serial);
    looks_add(analysis, time_ns, 0 - dead->one.bytes);
    course_add(analysis, dead->site, time_ns, 0 - dead->one.bytes);
}

/* False: the trace never saw its birth. */
static bool book_old(struct analysis *analysis, const struct trace_event *event, struct dead *dead)
{
    if (event->old_seat == 0)
        return false;
    *dead = (struct dead){.bytes = event->old_size,
                          .born_ns = event->old_born_ns,
                          .site = booking_find_site(analysis, event->old_stack),
                          .thread = event->old_thread,
                          .one = booking_weigh(analysis, event->old_size, &event->old_object)};
    if ((event->bits & TRACE_EVENT_OLD_ODD) != 0)
        spares_remove(analysis, event->old_seat);
    book_death(analysis, dead, event->time_ns);
    return true;
}

/* Only what the program itself ended has a lifetime: not a block whose free was lost. */
static void note_life(struct analysis *analysis, const struct dead *dead, uint64_t time_ns)
{
    uint64_t ns = time_ns > dead->born_ns ? time_ns - dead->born_ns : 0;
    unsigned class = booking_find_life(ns);
    analysis->life[class].blocks += dead->one.blocks;
    analysis->life[class].bytes += dead->one.bytes;
    analysis->site[dead->site].life[class] += dead->one.blocks;
}

/* -- events ----------------------------------------------------------------------------------- */

static void end_stale(struct analysis *analysis, const struct trace_event *event)
{
    const struct dead dead = {.bytes = event->stale_size,
                              .site = booking_find_site(analysis, event->stale_stack),
                              .thread = event->stale_thread,
                              .one =
                                  booking_weigh(analysis, event->stale_size, &event->stale_object)};
    spares_remove(analysis, event->stale_seat);
    book_death(analysis, &dead, event->time_ns);
}

static void book_free(struct analysis *analysis, const struct trace_event *event)
{
    struct thread *thread = find_thread(analysis, event);
    struct dead dead;
    if (!book_old(analysis, event, &dead)) {
        thread->frees += !analysis_is_estimate(analysis);
        return;
    }
    thread->frees += dead.one.blocks;
    note_life(analysis, &dead, event->time_ns);
    rate_add_free(analysis, event->time_ns, dead.one.blocks);
    if (dead.thread != event->thread) {
        thread->frees_of_others += dead.one.blocks;
        analysis->frees_of_others += dead.one.blocks;
        flows_add(&analysis->flows, analysis->store, dead.thread, event->thread, &dead.one);
    } else if (thread->last_seat == event->old_seat && !analysis_is_estimate(analysis) &&
               (event->bits & TRACE_EVENT_IN_TXN) == 0) {
        thread->temporary++;
        analysis->temporary++;
        analysis->site[dead.site].temporary++;
    }
}

static void note_realloc(struct analysis *analysis, const struct trace_event *event)
{
    struct realloc_facts *facts = &analysis->reallocs;
    facts->calls++;
    if (event->size > event->old_size)
        facts->grown++;
    else if (event->size < event->old_size)
        facts->shrunk++;
    if (event->bits & TRACE_EVENT_IN_PLACE) {
        facts->in_place++;
        return;
    }
    uint64_t copied = event->size < event->old_size ? event->size : event->old_size;
    struct site *site = &analysis->site[booking_find_site(analysis, event->stack)];
    facts->moved++;
    facts->copied_bytes += copied;
    site->moved++;
    site->copied += copied;
}

static void book_realloc(struct analysis *analysis, const struct trace_event *event)
{
    struct dead old;
    if (book_old(analysis, event, &old))
        note_realloc(analysis, event);
    book_birth(analysis, event);
}

static void book_name(struct analysis *analysis, const struct trace_visit *visit,
                      const struct trace_event *event)
{
    const char *name = trace_thread_name(visit, event->thread);
    if (*name != '\0')
        find_thread(analysis, event)->name = store_copy_text(analysis->store, name);
}

/* Not malloc's blocks: those are what they are. */
static bool is_of_txn(const struct trace_event *event)
{
    return event->kind > TRACE_EVENT_THREAD_NAME || (event->bits & TRACE_EVENT_IN_TXN) != 0;
}

static void book_txns(struct analysis *analysis, const struct trace_visit *visit,
                      const struct trace_event *event)
{
    if (event->txn != 0 && is_of_txn(event))
        txns_book(&analysis->txns, analysis->store, visit, event);
    else if (event->kind <= TRACE_EVENT_REALLOC &&
             (event->txn != 0 || analysis->txns.escapes.alive != 0))
        txns_book_malloc(&analysis->txns, analysis->store, event);
}

void booking_add(struct analysis *analysis, const struct trace_visit *visit,
                 const struct trace_event *event)
{
    if (event->time_ns >= analysis->moments.next_ns)
        moments_take(analysis, event->time_ns);
    if (event->txn != 0 || analysis->txns.escapes.alive != 0)
        book_txns(analysis, visit, event);
    if ((event->bits & TRACE_EVENT_STALE) != 0)
        end_stale(analysis, event);
    switch (event->kind) {
    case TRACE_EVENT_ALLOC:
        book_birth(analysis, event);
        break;
    case TRACE_EVENT_FREE:
        book_free(analysis, event);
        break;
    case TRACE_EVENT_REALLOC:
        book_realloc(analysis, event);
        break;
    case TRACE_EVENT_FAILED:
        analysis->failed++;
        break;
    case TRACE_EVENT_THREAD_NAME:
        book_name(analysis, visit, event);
        break;
    case TRACE_EVENT_THREAD_END:
        find_thread(analysis, event)->ended_ns = event->time_ns;
        break;
    default:
        find_thread(analysis, event);
    }
    if (event->time_ns > analysis->last_ns)
        analysis->last_ns = event->time_ns;
    timeline_add(&analysis->timeline, event->time_ns, analysis->total.now.bytes);
}
