/* compile.c - makes a program of a source, in two visits.
 *
 * The first finds the peak and which objects are handed: freed by another thread in the window of
 * their birth. It uses the widest windows there are, so that finer ones hand no more. The second
 * writes the operations. */
#define _GNU_SOURCE
#include "tools/replay/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/replay/compile_txns.h"
#include "tools/replay/writer.h"
#include "tools/trace/memory.h"

enum { NO_SLOT = 0, SHOW_EVERY = 1 << 18 };

/* Of slots[object]: the block is a transaction's. */
static const uint32_t IN_TXN = UINT32_C(1) << 31;

/* A stack of free slots, linked through compile.next_free. Slot numbers are + 1; 0: none. */
struct pool {
    uint32_t first;
    uint32_t last;
};

struct thread {
    uint32_t index; /* in the program; PROGRAM_NO_THREAD: no operation yet */
    uint32_t lane;
    uint32_t tid;
    uint32_t last_window; /* it has operations in */
    bool is_over;
    uint64_t paced_ns; /* the last time it was told */
    struct pool pool;  /* slots of objects that it has freed in this window */
};

struct compile {
    struct source *source;
    struct compile_options options;
    double shown; /* share of the work that earlier visits were */
    struct writer writer;
    struct program_header header;
    struct program_window *windows;
    size_t window_capacity;
    uint64_t window_events; /* per window */
    uint64_t events;        /* of the current visit */
    uint64_t start_ns;      /* of the first operation */
    uint64_t live_bytes;
    uint64_t live_objects;
    struct thread *threads; /* by number in the trace */
    size_t thread_count;
    size_t thread_capacity;
    uint32_t *active; /* threads with operations in the current window */
    size_t active_count;
    size_t active_capacity;
    uint32_t *lane_last; /* program thread that ran last in each lane, + 1; 0: none yet */
    size_t lane_count;
    size_t lane_capacity;
    struct trace_event main_event; /* some event of the process's first thread */
    bool is_main_known;
    uint32_t *births;     /* first visit: threads that objects of this window were born in, */
    uint64_t first_birth; /* from this object on */
    uint8_t *handed;      /* a bit for each object */
    size_t handed_bytes;
    uint32_t *slots; /* second visit, by object: slot + 1 */
    uint32_t *next_free;
    size_t next_free_capacity;
    struct pool pool; /* free since before this window */
    struct compile_txns txns;
};

/* -- the first visit -------------------------------------------------------------------------- */

static void flag_handed(struct compile *compile, uint64_t object)
{
    size_t byte = (size_t)(object / 8);
    while (byte >= compile->handed_bytes) {
        size_t bytes = compile->handed_bytes != 0 ? compile->handed_bytes * 2 : 4096;
        uint8_t *grown = memory_alloc(bytes, 1);
        if (compile->handed_bytes != 0)
            memcpy(grown, compile->handed, compile->handed_bytes);
        free(compile->handed);
        compile->handed = grown;
        compile->handed_bytes = bytes;
    }
    compile->handed[byte] |= (uint8_t)(1U << object % 8);
    compile->header.handed_threads = 1;
}

static bool is_handed(const struct compile *compile, uint64_t object)
{
    size_t byte = (size_t)(object / 8);
    return byte < compile->handed_bytes && (compile->handed[byte] >> object % 8 & 1) != 0;
}

/* Only objects of this window can be handed: a window's events bear one each at most. */
static void note_birth(struct compile *compile, const struct trace_event *event)
{
    uint64_t born = source_totals(compile->source)->objects;
    if (compile->events % PROGRAM_WINDOW_EVENTS_MOST == 0)
        compile->first_birth = born + (event->object == 0);
    if (event->object != 0)
        compile->births[event->object - compile->first_birth] = event->thread;
}

static void note_death(struct compile *compile, uint64_t object, uint32_t thread)
{
    if (object == 0 || object < compile->first_birth || compile->options.is_one_thread)
        return;
    if (compile->births[object - compile->first_birth] != thread)
        flag_handed(compile, object);
}

static uint32_t *last_of_lane(struct compile *compile, uint32_t lane)
{
    while (lane >= compile->lane_count) {
        compile->lane_last = memory_grow(compile->lane_last, compile->lane_count,
                                         &compile->lane_capacity, sizeof(*compile->lane_last));
        compile->lane_last[compile->lane_count++] = 0;
    }
    return &compile->lane_last[lane];
}

/* The process's first thread, if it is the first of its lane, as it should. */
static void note_main(struct compile *compile, const struct trace_event *event)
{
    uint32_t *last = last_of_lane(compile, event->lane);
    if (*last == 0 && event->tid == source_first_tid(compile->source) && !compile->is_main_known) {
        compile->main_event = *event;
        compile->is_main_known = true;
    }
    *last = 1;
}

static bool is_operation(const struct trace_event *event)
{
    return event->kind == TRACE_EVENT_ALLOC || event->kind == TRACE_EVENT_FREE ||
           event->kind == TRACE_EVENT_REALLOC;
}

static void show_progress(struct compile *compile)
{
    if (compile->options.show != NULL && compile->events % SHOW_EVERY == 0)
        compile->options.show(compile->shown + source_progress(compile->source) / 2);
}

static void find_handed(struct compile *compile, struct compiled *compiled)
{
    struct trace_event event;
    compile->births = memory_alloc(PROGRAM_WINDOW_EVENTS_MOST, sizeof(*compile->births));
    source_begin(compile->source);
    while (source_next(compile->source, &event)) {
        compile_txns_note(&compile->txns, &event,
                          compile->options.is_one_thread ? 0 : event.thread);
        if (!is_operation(&event))
            continue;
        if (compile->events == 0)
            compile->start_ns = event.time_ns;
        note_main(compile, &event);
        note_birth(compile, &event);
        note_death(compile, event.old_object, event.thread);
        note_death(compile, event.stale_object, event.thread);
        compile->events++;
        show_progress(compile);
    }
    compiled->totals = *source_totals(compile->source);
    compiled->is_complete = source_is_complete(compile->source, &compiled->why);
    source_end(compile->source);
    compile_txns_settle(&compile->txns);
    compile_txns_sum(&compile->txns, &compile->header.txns_whole, &compile->header.txns);
    free(compile->births);
    compile->births = NULL;
    compile->lane_count = 0; /* nothing ran in any lane yet */
    compile->shown = 0.5;
}

/* -- slots ------------------------------------------------------------------------------------ */

static void put_slot(struct compile *compile, struct pool *pool, uint32_t slot)
{
    compile->next_free[slot] = pool->first;
    pool->first = slot;
    if (pool->last == NO_SLOT)
        pool->last = slot;
}

static uint32_t get_slot(struct compile *compile, struct pool *pool)
{
    uint32_t slot = pool->first;
    pool->first = compile->next_free[slot];
    if (pool->first == NO_SLOT)
        pool->last = NO_SLOT;
    return slot;
}

static uint32_t make_slot(struct compile *compile)
{
    uint32_t slot = (uint32_t)++compile->header.slots;
    compile->next_free = memory_grow(compile->next_free, slot, &compile->next_free_capacity,
                                     sizeof(*compile->next_free));
    return slot;
}

/* P1: a handed object gets a slot that was empty when the window began. */
static uint32_t choose_slot(struct compile *compile, struct thread *thread, uint64_t object)
{
    if (thread->pool.first != NO_SLOT && !is_handed(compile, object))
        return get_slot(compile, &thread->pool);
    if (compile->pool.first != NO_SLOT)
        return get_slot(compile, &compile->pool);
    return make_slot(compile);
}

/* What threads have freed in a window may be used by all in the next. */
static void pass_on_slots(struct compile *compile)
{
    for (size_t i = 0; i < compile->active_count; i++) {
        struct pool *pool = &compile->threads[compile->active[i]].pool;
        if (pool->first == NO_SLOT)
            continue;
        compile->next_free[pool->last] = compile->pool.first;
        if (compile->pool.first == NO_SLOT)
            compile->pool.last = pool->last;
        compile->pool.first = pool->first;
        *pool = (struct pool){NO_SLOT, NO_SLOT};
    }
    compile->active_count = 0;
}

/* -- windows and threads ---------------------------------------------------------------------- */

static uint32_t window_now(const struct compile *compile)
{
    return compile->header.windows - 1;
}

static void begin_window(struct compile *compile)
{
    compile->windows = memory_grow(compile->windows, compile->header.windows,
                                   &compile->window_capacity, sizeof(*compile->windows));
    compile->windows[compile->header.windows++] =
        (struct program_window){.spawned = PROGRAM_NO_THREAD};
}

static void end_window(struct compile *compile)
{
    compile->windows[window_now(compile)].live_bytes = compile->live_bytes;
    pass_on_slots(compile);
}

/* The thread starts: when the one before it in its lane ends, else with its first window. */
static void start_thread(struct compile *compile, struct thread *thread)
{
    uint32_t *last = last_of_lane(compile, thread->lane);
    thread->index = writer_add_thread(&compile->writer, window_now(compile), thread->tid);
    struct program_window *window = &compile->windows[window_now(compile)];
    if (*last != 0)
        writer_thread(&compile->writer, *last - 1)->successor = thread->index;
    else if (thread->index != 0) {
        writer_thread(&compile->writer, thread->index)->next_spawned = window->spawned;
        window->spawned = thread->index;
    }
    *last = thread->index + 1;
}

/* The thread is about to do something in the current window. */
static void enter_window(struct compile *compile, struct thread *thread)
{
    uint32_t now = window_now(compile);
    if (thread->index == PROGRAM_NO_THREAD)
        start_thread(compile, thread);
    else if (thread->last_window == now)
        return;
    else
        writer_put_control(&compile->writer, thread->index, PROGRAM_WINDOW, now);
    thread->last_window = now;
    compile->windows[now].participants++;
    compile->active = memory_grow(compile->active, compile->active_count, &compile->active_capacity,
                                  sizeof(*compile->active));
    compile->active[compile->active_count++] = (uint32_t)(thread - compile->threads);
}

static struct thread *find_thread(struct compile *compile, const struct trace_event *event)
{
    uint32_t number = compile->options.is_one_thread ? 0 : event->thread;
    while (number >= compile->thread_count) {
        compile->threads = memory_grow(compile->threads, compile->thread_count,
                                       &compile->thread_capacity, sizeof(*compile->threads));
        compile->threads[compile->thread_count++] = (struct thread){.index = PROGRAM_NO_THREAD};
    }
    struct thread *thread = &compile->threads[number];
    if (thread->index == PROGRAM_NO_THREAD) {
        thread->lane = compile->options.is_one_thread ? 0 : event->lane;
        thread->tid = event->tid;
    }
    return thread;
}

static void finish_thread(struct compile *compile, struct thread *thread)
{
    if (thread->index == PROGRAM_NO_THREAD || thread->is_over)
        return;
    enter_window(compile, thread);
    compile_txns_end_all(&compile->txns, &compile->writer, thread->index,
                         (uint32_t)(thread - compile->threads));
    writer_put_control(&compile->writer, thread->index, PROGRAM_END, 0);
    thread->is_over = true;
}

/* -- the second visit ------------------------------------------------------------------------- */

static void put_death(struct compile *compile, struct thread *thread, uint64_t object,
                      uint64_t size)
{
    uint32_t slot = compile->slots[object] & ~IN_TXN;
    bool is_in_txn = slot != compile->slots[object];
    writer_put(&compile->writer, thread->index, is_in_txn ? PROGRAM_CONTROL : PROGRAM_FREE,
               slot - 1, is_in_txn ? PROGRAM_TXN_FREE : 0);
    put_slot(compile, &thread->pool, slot);
    compile->live_bytes -= size;
    compile->live_objects--;
    compile->header.operations++;
}

static void note_live(struct compile *compile, const struct trace_event *event)
{
    compile->live_bytes += event->size;
    compile->live_objects++;
    if (compile->live_objects > compile->header.peak_objects)
        compile->header.peak_objects = compile->live_objects;
    compile->header.operations++;
}

static void put_birth(struct compile *compile, struct thread *thread,
                      const struct trace_event *event)
{
    uint32_t slot = choose_slot(compile, thread, event->object);
    if (compile_txns_put_birth(&compile->txns, &compile->writer, thread->index, event, slot - 1)) {
        compile->slots[event->object] = slot | IN_TXN;
        note_live(compile, event);
        return;
    }
    unsigned op = PROGRAM_MALLOC;
    if (event->alignment_log2 > 4) /* malloc's own; blocks of transactions may want less */
        op = PROGRAM_ALIGNED;
    else if ((event->bits & TRACE_EVENT_ZEROED) != 0)
        op = PROGRAM_CALLOC;
    unsigned flag = is_handed(compile, event->object) ? PROGRAM_HANDED : 0;
    compile->slots[event->object] = slot;
    writer_put(&compile->writer, thread->index, op | flag, slot - 1, event->size);
    if (op == PROGRAM_ALIGNED)
        writer_put_word(&compile->writer, thread->index, event->alignment_log2);
    note_live(compile, event);
}

static void put_move(struct compile *compile, struct thread *thread,
                     const struct trace_event *event)
{
    uint32_t old = compile->slots[event->old_object];
    compile->live_bytes -= event->old_size;
    compile->live_objects--;
    if (!is_handed(compile, event->object)) {
        compile->slots[event->object] = old;
        writer_put(&compile->writer, thread->index, PROGRAM_REALLOC, old - 1, event->size);
        note_live(compile, event);
        return;
    }
    uint32_t slot = choose_slot(compile, thread, event->object);
    compile->slots[event->object] = slot;
    writer_put(&compile->writer, thread->index, PROGRAM_REALLOC_TO | PROGRAM_HANDED, old - 1,
               event->size);
    writer_put_word(&compile->writer, thread->index, slot - 1);
    put_slot(compile, &thread->pool, old);
    note_live(compile, event);
}

static void put_pace(struct compile *compile, struct thread *thread, uint64_t time_ns)
{
    uint64_t ns = time_ns > compile->start_ns ? time_ns - compile->start_ns : 0;
    if (ns < thread->paced_ns + PROGRAM_PACE_STEP_NS)
        return;
    writer_put_control(&compile->writer, thread->index, PROGRAM_PACE, ns);
    thread->paced_ns = ns;
}

static void put_operation(struct compile *compile, const struct trace_event *event)
{
    struct thread *thread = find_thread(compile, event);
    enter_window(compile, thread);
    if (compile->options.is_paced)
        put_pace(compile, thread, event->time_ns);
    if (event->stale_object != 0)
        put_death(compile, thread, event->stale_object, event->stale_size);
    if (event->kind == TRACE_EVENT_REALLOC && event->old_object != 0)
        put_move(compile, thread, event);
    else if (event->object != 0)
        put_birth(compile, thread, event);
    else if (event->old_object != 0)
        put_death(compile, thread, event->old_object, event->old_size);
    compile->header.skipped += event->kind != TRACE_EVENT_ALLOC && event->old_object == 0;
}

static void finish_threads(struct compile *compile)
{
    for (size_t i = 0; i < compile->thread_count; i++)
        finish_thread(compile, &compile->threads[i]);
}

/* It begins, ends...: all but its blocks. */
static void put_txn(struct compile *compile, const struct trace_event *event)
{
    struct thread *thread = find_thread(compile, event);
    enter_window(compile, thread);
    compile_txns_put(&compile->txns, &compile->writer, thread->index, event);
}

static void visit_operations(struct compile *compile, uint64_t peak_event)
{
    struct trace_event event;
    compile->events = 0;
    source_begin(compile->source);
    while (source_next(compile->source, &event) && compile->writer.error == 0) {
        compile->header.skipped += event.kind == TRACE_EVENT_FAILED;
        if (event.kind == TRACE_EVENT_THREAD_END && !compile->options.is_one_thread)
            finish_thread(compile, find_thread(compile, &event));
        if (event.kind > TRACE_EVENT_THREAD_NAME)
            put_txn(compile, &event);
        if (!is_operation(&event))
            continue;
        put_operation(compile, &event);
        compile->events++;
        bool is_peak = source_totals(compile->source)->events == peak_event;
        if (is_peak)
            compile->header.peak_window = window_now(compile);
        if (is_peak || compile->events % compile->window_events == 0) {
            end_window(compile);
            begin_window(compile);
        }
        show_progress(compile);
    }
    source_end(compile->source);
    finish_threads(compile);
    end_window(compile);
}

static void write_operations(struct compile *compile, const struct compiled *compiled)
{
    uint64_t wanted = compiled->totals.events / 256;
    compile->window_events = PROGRAM_WINDOW_EVENTS_LEAST;
    while (compile->window_events < PROGRAM_WINDOW_EVENTS_MOST &&
           compile->window_events * 2 <= wanted)
        compile->window_events *= 2;
    compile->slots = memory_alloc(compiled->totals.objects + 1, sizeof(*compile->slots));
    compile->header.peak_bytes = compiled->totals.peak_bytes;
    begin_window(compile);
    if (compile->is_main_known) /* thread 0: some allocators treat the first thread unlike others */
        enter_window(compile, find_thread(compile, &compile->main_event));
    visit_operations(compile, compiled->totals.peak_event);
    compile->header.end_bytes = compile->live_bytes;
    compile->header.txn_slots = compile->txns.lives;
}

int compile_source(struct source *source, const struct compile_options *options,
                   struct compiled *compiled)
{
    struct compile compile = {.source = source, .options = *options};
    memset(compiled, 0, sizeof(*compiled));
    compiled->fd = -1;
    compile.next_free = memory_grow(NULL, 0, &compile.next_free_capacity, sizeof(uint32_t));
    if (writer_init(&compile.writer) != 0)
        return compile.writer.error;
    find_handed(&compile, compiled);
    write_operations(&compile, compiled);
    int error = writer_finish(&compile.writer, &compile.header, compile.windows);
    if (error == 0) {
        compiled->fd = compile.writer.fd;
        compiled->program = (const struct program_header *)(const void *)compile.writer.words;
    }
    free(compile.windows);
    free(compile.threads);
    free(compile.active);
    free(compile.lane_last);
    free(compile.handed);
    free(compile.slots);
    free(compile.next_free);
    compile_txns_fini(&compile.txns);
    return error;
}

void compile_free(struct compiled *compiled)
{
    if (compiled->program != NULL)
        munmap((void *)(uintptr_t)compiled->program, compiled->program->bytes);
    if (compiled->fd >= 0)
        close(compiled->fd);
}
