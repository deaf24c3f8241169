/* txns.c - see txns.h. */
#include "tools/analysis/txns.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 16 };
#define FREE_PLACE UINT32_MAX

/* -- names and open ones ---------------------------------------------------------------------- */

static void *grow(struct txns_booked *txns, void *array, size_t count, size_t *room, size_t bytes)
{
    if (count < *room)
        return array;
    size_t wanted = *room != 0 ? 2 * *room : FIRST_ROOM;
    array = store_grow(txns->store, array, *room, wanted, bytes);
    *room = wanted;
    return array;
}

static uint32_t find_name(struct txns_booked *txns, const char *text)
{
    for (size_t i = 0; i < txns->names; i++) {
        if (strcmp(txns->name[i].name, text) == 0)
            return (uint32_t)i;
    }
    txns->name = grow(txns, txns->name, txns->names, &txns->name_room, sizeof txns->name[0]);
    txns->name[txns->names].name = store_copy_text(txns->store, text);
    return (uint32_t)txns->names++;
}

static struct txn_open *find(const struct txns_booked *txns, uint32_t number)
{
    uint32_t seat = txns->is_used && number != 0 ? objects_find(&txns->places, number) : 0;
    return seat != 0 ? &txns->open[*(size_t *)objects_get(&txns->places, seat)] : NULL;
}

/* The last place that is free, if it is near the end: transactions that are open at the same time
 * are few, and mostly end in the reverse order. */
static size_t take_place(struct txns_booked *txns)
{
    if (txns->opens > 0 && txns->open[txns->opens - 1].name == FREE_PLACE)
        return txns->opens - 1;
    txns->open = grow(txns, txns->open, txns->opens, &txns->open_room, sizeof txns->open[0]);
    return txns->opens++;
}

static struct txn_open *open_txn(struct txns_booked *txns, uint32_t number, const char *name)
{
    if (!txns->is_used)
        objects_init(&txns->places, sizeof(size_t));
    txns->is_used = true;
    struct txn_open *known = find(txns, number);
    if (known != NULL)
        return known;
    size_t place = take_place(txns);
    *(size_t *)objects_get(&txns->places, objects_insert(&txns->places, number)) = place;
    txns->open[place] = (struct txn_open){.name = find_name(txns, name), .depth = 1};
    return &txns->open[place];
}

static void close_txn(struct txns_booked *txns, uint32_t number)
{
    find(txns, number)->name = FREE_PLACE;
    objects_remove(&txns->places, number);
    while (txns->opens > 0 && txns->open[txns->opens - 1].name == FREE_PLACE)
        txns->opens--;
}

/* -- events ----------------------------------------------------------------------------------- */

static void begin(struct txns_booked *txns, const struct trace_visit *visit,
                  const struct trace_event *event)
{
    struct txn_open *open = open_txn(txns, event->txn, trace_txn_name(visit, event->begun.name));
    struct txn_name *name = &txns->name[open->name];
    const struct txn_open *parent = find(txns, (uint32_t)event->begun.parent);
    open->begun_ns = event->time_ns;
    open->parent = parent != NULL ? (uint32_t)event->begun.parent : 0;
    open->depth = parent != NULL ? parent->depth + 1 : 1;
    if (name->begun++ == 0)
        name->node = event->stack;
    name->nested += event->begun.parent != 0;
    if (open->depth > name->depth)
        name->depth = open->depth;
    txns->begun++;
}

static void add_sizes(struct txn_name *name, const struct txn_open *open,
                      const struct trace_txn_ended *ended)
{
    name->blocks += open->blocks;
    name->asked += open->asked;
    if (open->asked > name->asked_most)
        name->asked_most = open->asked;
    name->malloced += ended->malloced;
    name->escaped += ended->escaped;
    if (open->parent != 0)
        return;
    name->own_asked += open->asked;
    name->own_used += ended->used;
    name->own_reserved += ended->reserved;
}

static void end(struct txns_booked *txns, const struct trace_event *event)
{
    struct txn_open *open = find(txns, event->txn);
    if (open == NULL)
        return; /* begun where the trace does not reach, and nothing was seen of it */
    struct txn_name *name = &txns->name[open->name];
    struct txn_open *parent = find(txns, open->parent);
    uint64_t how = event->ended.how < 3 ? event->ended.how : TRACE_TXN_ABANDONED;
    bool is_timed = open->begun_ns != 0 && event->time_ns > open->begun_ns; /* by another's clock */
    uint64_t lived_ns = is_timed ? event->time_ns - open->begun_ns : 0;
    name->ended[how]++;
    txns->ended[how]++;
    name->lived_ns += lived_ns;
    if (lived_ns > name->lived_most_ns)
        name->lived_most_ns = lived_ns;
    add_sizes(name, open, &event->ended);
    escapes_end(&txns->escapes, open->malloced, name->name, open->name);
    if (how == TRACE_TXN_COMMITTED && parent != NULL) {
        parent->blocks += open->blocks;
        parent->asked += open->asked;
    }
    close_txn(txns, event->txn);
}

static void roll_back(struct txns_booked *txns, const struct trace_event *event)
{
    struct txn_open *open = find(txns, event->txn);
    if (open == NULL)
        return;
    txns->name[open->name].backs++;
    open->blocks -= open->dying_blocks;
    open->asked -= open->dying_asked;
    open->dying_blocks = open->dying_asked = 0;
}

static void note_block(struct txns_booked *txns, const struct trace_event *event)
{
    struct txn_open *open = open_txn(txns, event->txn, "(begun before the trace)");
    if (event->kind == TRACE_EVENT_ALLOC) {
        open->blocks++;
        open->asked += event->size;
    } else {
        open->dying_blocks++;
        open->dying_asked += event->old_size;
    }
}

void txns_book(struct txns_booked *txns, struct store *store, const struct trace_visit *visit,
               const struct trace_event *event)
{
    txns->store = store;
    switch (event->kind) {
    case TRACE_EVENT_TXN_BEGIN:
        begin(txns, visit, event);
        break;
    case TRACE_EVENT_TXN_END:
        end(txns, event);
        break;
    case TRACE_EVENT_TXN_BACK:
        roll_back(txns, event);
        break;
    case TRACE_EVENT_ALLOC:
    case TRACE_EVENT_FREE:
        note_block(txns, event);
        break;
    default:
        break;
    }
}

void txns_book_malloc(struct txns_booked *txns, struct store *store,
                      const struct trace_event *event)
{
    txns->store = store;
    if ((event->bits & TRACE_EVENT_STALE) != 0)
        escapes_died(&txns->escapes, event->stale_seat);
    escapes_died(&txns->escapes, event->old_seat);
    if (event->seat == 0 || event->txn == 0)
        return;
    struct txn_open *open = open_txn(txns, event->txn, "(begun before the trace)");
    escapes_born(&txns->escapes, store, &open->malloced, event->seat, event->size, event->stack);
}

/* -- the end ---------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    const struct txn_name *one = a, *other = b;
    uint64_t left = one->asked + one->open_asked, right = other->asked + other->open_asked;
    if (left != right)
        return left < right ? 1 : -1;
    if (one->begun != other->begun)
        return one->begun < other->begun ? 1 : -1;
    return strcmp(one->name, other->name);
}

void txns_finish(struct txns_booked *txns)
{
    for (size_t i = 0; i < txns->opens; i++) {
        const struct txn_open *open = &txns->open[i];
        if (open->name == FREE_PLACE)
            continue;
        txns->name[open->name].open_blocks += open->blocks;
        txns->name[open->name].open_asked += open->asked;
    }
    escapes_finish(&txns->escapes);
    if (txns->names != 0)
        qsort(txns->name, txns->names, sizeof txns->name[0], compare_names);
}

void txns_booked_fini(struct txns_booked *txns)
{
    if (txns->is_used)
        objects_fini(&txns->places);
    escapes_fini(&txns->escapes);
}
