/* compile.c - makes a program of a source, in two visits.
 *
 * The first finds the peak and which objects are handed. The second writes the operations. What is
 * kept meanwhile is that of the blocks alive, by their seats, and of one window. */
#include "tools/replay/compile.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/replay/compile_txns.h"
#include "tools/replay/handed.h"
#include "tools/replay/slots.h"
#include "tools/replay/writer.h"
#include "tools/trace/memory.h"

enum { SHOW_EVERY = 1 << 18 };

/* Of a seat's slot: the block is a transaction's. */
static const uint32_t IN_TXN = UINT32_C(1) << 31;

struct thread {
    uint32_t index; /* in the program; PROGRAM_NO_THREAD: no operation yet */
    uint32_t lane;
    uint32_t tid;
    uint32_t last_window; /* it has operations in */
    bool is_over;
    uint64_t paced_ns;      /* the last time it was told */
    struct slots_pool pool; /* slots of objects that it has freed in this window */
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
    struct handed handed;
    struct slots slots;
    struct compile_txns txns;
};

/* -- the first visit -------------------------------------------------------------------------- */

/* Of the object, if any, that this event or else the next one bears. */
static uint64_t next_birth(const struct compile *compile, const struct trace_event *event)
{
    return source_totals(compile->source)->objects + (event->object == 0);
}

static void note_lives(struct compile *compile, const struct trace_event *event)
{
    if (compile->events % PROGRAM_WINDOW_EVENTS_MOST == 0)
        handed_note_window(&compile->handed, next_birth(compile, event));
    if (compile->options.is_one_thread)
        return;
    if (event->object != 0)
        handed_note_birth(&compile->handed, event->object, event->thread);
    if (event->old_object != 0)
        handed_note_death(&compile->handed, event->old_object, event->thread);
    if (event->stale_object != 0)
        handed_note_death(&compile->handed, event->stale_object, event->thread);
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

static void visit_lives(struct compile *compile, struct compiled *compiled)
{
    struct trace_event event;
    source_begin(compile->source);
    while (source_next(compile->source, &event)) {
        compile_txns_note(&compile->txns, &event,
                          compile->options.is_one_thread ? 0 : event.thread);
        if (!is_operation(&event))
            continue;
        if (compile->events == 0)
            compile->start_ns = event.time_ns;
        note_main(compile, &event);
        note_lives(compile, &event);
        compile->events++;
        show_progress(compile);
    }
    compiled->totals = *source_totals(compile->source);
    compiled->is_complete = source_is_complete(compile->source, &compiled->why);
    source_end(compile->source);
    compile_txns_settle(&compile->txns);
    compile_txns_sum(&compile->txns, &compile->header.txns_whole, &compile->header.txns);
    compile->header.handed_threads = compile->handed.is_any_ever;
    compile->lane_count = 0; /* nothing ran in any lane yet */
    compile->shown = 0.5;
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

/* What threads have freed in a window may be used by all in the next. */
static void pass_on_slots(struct compile *compile)
{
    for (size_t i = 0; i < compile->active_count; i++)
        slots_pass_on(&compile->slots, &compile->threads[compile->active[i]].pool);
    compile->active_count = 0;
}

static void end_window(struct compile *compile)
{
    struct program_window *window = &compile->windows[window_now(compile)];
    window->live_bytes = compile->live_bytes;
    writer_end_window(&compile->writer, window);
    pass_on_slots(compile);
}

/* The thread starts: when the one before it in its lane ends, else with its first window. */
static void start_thread(struct compile *compile, struct thread *thread)
{
    uint32_t *last = last_of_lane(compile, thread->lane);
    thread->index = writer_add_thread(&compile->writer, thread->tid);
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
    writer_begin_part(&compile->writer, thread->index);
    thread->last_window = now;
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

static uint32_t choose_slot(struct compile *compile, struct thread *thread, uint64_t object)
{
    return slots_take(&compile->slots, handed_is(&compile->handed, object) ? NULL : &thread->pool);
}

/* `seated`: as in slots_seat. */
static void put_death(struct compile *compile, struct thread *thread, uint32_t seated,
                      uint64_t size)
{
    uint32_t slot = seated & ~IN_TXN;
    unsigned op = slot != seated ? PROGRAM_TXN_FREE : PROGRAM_FREE;
    writer_put(&compile->writer, thread->index, op, slot - 1, 0);
    slots_give(&compile->slots, &thread->pool, slot);
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
        slots_seat(&compile->slots, event->seat, slot | IN_TXN);
        note_live(compile, event);
        return;
    }
    unsigned op = PROGRAM_MALLOC;
    if (event->alignment_log2 > 4) /* malloc's own; blocks of transactions may want less */
        op = PROGRAM_ALIGNED;
    else if ((event->bits & TRACE_EVENT_ZEROED) != 0)
        op = PROGRAM_CALLOC;
    unsigned flag = handed_is(&compile->handed, event->object) ? PROGRAM_HANDED : 0;
    slots_seat(&compile->slots, event->seat, slot);
    writer_put(&compile->writer, thread->index, op | flag, slot - 1, event->size);
    if (op == PROGRAM_ALIGNED)
        writer_put_word(&compile->writer, thread->index, event->alignment_log2);
    note_live(compile, event);
}

/* No transaction reallocates. */
static void put_copy(struct compile *compile, struct thread *thread,
                     const struct trace_event *event, uint32_t old)
{
    put_birth(compile, thread, event);
    uint32_t slot = slots_of_seat(&compile->slots, event->seat) & ~IN_TXN;
    writer_put(&compile->writer, thread->index, PROGRAM_COPY, slot - 1, 0);
    writer_put_word(&compile->writer, thread->index, (old & ~IN_TXN) - 1);
    put_death(compile, thread, old, event->old_size);
    compile->header.operations--; /* both are one */
}

static void put_move(struct compile *compile, struct thread *thread,
                     const struct trace_event *event)
{
    uint32_t old = slots_of_seat(&compile->slots, event->old_seat);
    if ((old & IN_TXN) != 0 || (event->bits & TRACE_EVENT_IN_TXN) != 0) {
        put_copy(compile, thread, event, old);
        return;
    }
    compile->live_bytes -= event->old_size;
    compile->live_objects--;
    if (!handed_is(&compile->handed, event->object)) {
        slots_seat(&compile->slots, event->seat, old);
        writer_put(&compile->writer, thread->index, PROGRAM_REALLOC, old - 1, event->size);
        note_live(compile, event);
        return;
    }
    uint32_t slot = choose_slot(compile, thread, event->object);
    slots_seat(&compile->slots, event->seat, slot);
    writer_put(&compile->writer, thread->index, PROGRAM_REALLOC_TO | PROGRAM_HANDED, old - 1,
               event->size);
    writer_put_word(&compile->writer, thread->index, slot - 1);
    slots_give(&compile->slots, &thread->pool, old);
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
        put_death(compile, thread, slots_of_seat(&compile->slots, event->stale_seat),
                  event->stale_size);
    if (event->kind == TRACE_EVENT_REALLOC && event->old_object != 0)
        put_move(compile, thread, event);
    else if (event->object != 0)
        put_birth(compile, thread, event);
    else if (event->old_object != 0)
        put_death(compile, thread, slots_of_seat(&compile->slots, event->old_seat),
                  event->old_size);
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

static void end_window_if_due(struct compile *compile, bool is_operation, uint64_t peak_event)
{
    bool is_peak = is_operation && source_totals(compile->source)->events == peak_event;
    bool is_long = is_operation && compile->events % compile->window_events == 0;
    if (is_peak)
        compile->header.peak_window = window_now(compile);
    if (!is_peak && !is_long && !writer_is_full(&compile->writer))
        return;
    end_window(compile);
    begin_window(compile);
}

static void visit_event(struct compile *compile, const struct trace_event *event)
{
    compile->header.skipped += event->kind == TRACE_EVENT_FAILED;
    if (event->kind == TRACE_EVENT_THREAD_END && !compile->options.is_one_thread)
        finish_thread(compile, find_thread(compile, event));
    if (event->kind > TRACE_EVENT_THREAD_NAME)
        put_txn(compile, event);
    if (!is_operation(event))
        return;
    if (compile->events % PROGRAM_WINDOW_EVENTS_MOST == 0)
        handed_recall_window(&compile->handed, next_birth(compile, event));
    put_operation(compile, event);
    compile->events++;
    show_progress(compile);
}

static void visit_operations(struct compile *compile, uint64_t peak_event)
{
    struct trace_event event;
    compile->events = 0;
    source_begin(compile->source);
    while (source_next(compile->source, &event) && compile->writer.error == 0) {
        visit_event(compile, &event);
        end_window_if_due(compile, is_operation(&event), peak_event);
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
    compile->header.peak_bytes = compiled->totals.peak_bytes;
    begin_window(compile);
    if (compile->is_main_known) /* thread 0: some allocators treat the first thread unlike others */
        enter_window(compile, find_thread(compile, &compile->main_event));
    visit_operations(compile, compiled->totals.peak_event);
    compile->header.slots = compile->slots.count;
    compile->header.end_bytes = compile->live_bytes;
    compile->header.txn_slots = compile->txns.lives;
}

static int compile_visits(struct compile *compile, struct compiled *compiled)
{
    int error = writer_init(&compile->writer);
    if (error == 0)
        error = handed_init(&compile->handed);
    if (error == 0) {
        visit_lives(compile, compiled);
        error = handed_settle(&compile->handed);
    }
    if (error == 0) {
        write_operations(compile, compiled);
        error = writer_finish(&compile->writer, &compile->header, compile->windows);
    }
    return error != 0 ? error : compile->handed.error;
}

static void fini(struct compile *compile)
{
    writer_fini(&compile->writer);
    handed_fini(&compile->handed);
    compile_txns_fini(&compile->txns);
    free(compile->windows);
    free(compile->threads);
    free(compile->active);
    free(compile->lane_last);
    slots_fini(&compile->slots);
}

int compile_source(struct source *source, const struct compile_options *options,
                   struct compiled *compiled)
{
    struct compile *compile = memory_alloc(1, sizeof(*compile));
    compile->source = source;
    compile->options = *options;
    compile->handed.fd = -1;
    memset(compiled, 0, sizeof(*compiled));
    int error = compile_visits(compile, compiled);
    compiled->fd = compile->writer.fd;
    compiled->program = memory_alloc(1, sizeof(compile->header));
    memcpy(compiled->program, &compile->header, sizeof(compile->header));
    if (error != 0)
        compile_free(compiled);
    fini(compile);
    free(compile);
    return error;
}

void compile_free(struct compiled *compiled)
{
    if (compiled->program != NULL && compiled->fd >= 0)
        close(compiled->fd);
    free(compiled->program);
    compiled->program = NULL;
}
