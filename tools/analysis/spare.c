/* spare.c - the class of each request as it comes; those of all blocks once, when most was
 * resident. */
#include "tools/analysis/spare.h"

#include "tools/analysis/booking.h"

enum {
    GRAIN = 16,
    GRAIN_LOG2 = 4,
    ALIGNED_LOG2_MOST = 14, /* of classes; see format.h */
};

/* -- classes ---------------------------------------------------------------------------------- */

static void fill_grains(struct spares *spares)
{
    size_t class = 0;
    for (size_t grains = 0; grains <= spares->largest / GRAIN; grains++) {
        while (spares->class[class].bytes < grains * GRAIN)
            class ++;
        spares->of_grain[grains] = (uint16_t) class;
    }
}

void spares_init(struct analysis *analysis)
{
    const struct trace_facts *facts = analysis->facts;
    const struct trace_sample *largest = maps_find_largest(facts);
    struct spares *spares = &analysis->spares;
    *spares = (struct spares){.next_ns = UINT64_MAX};
    if (facts->classes == 0 || facts->class_bytes[facts->classes - 1] > SPARE_CLASS_MOST)
        return;
    spares->is_known = true;
    spares->next_ns = largest != NULL ? largest->time_ns : UINT64_MAX;
    spares->is_all = facts->class_step != 0;
    spares->classes = facts->classes + 1;
    spares->class = store_alloc(analysis->store, spares->classes, sizeof spares->class[0]);
    for (size_t i = 0; i < facts->classes; i++)
        spares->class[i].bytes = facts->class_bytes[i];
    spares->largest = facts->class_bytes[facts->classes - 1];
    spares->of_grain =
        store_alloc(analysis->store, spares->largest / GRAIN + 1, sizeof spares->of_grain[0]);
    fill_grains(spares);
    objects_init(&spares->odd, sizeof(uint64_t));
}

void spares_fini(struct spares *spares)
{
    if (spares->is_known)
        objects_fini(&spares->odd);
}

/* Number of the class that holds `bytes`; the last one: none does. */
static size_t find_class(const struct spares *spares, uint64_t bytes)
{
    uint64_t grains = bytes / GRAIN + (bytes % GRAIN != 0);
    return grains <= spares->largest / GRAIN ? spares->of_grain[grains] : spares->classes - 1;
}

static uint64_t round_up(uint64_t bytes, uint64_t step)
{
    uint64_t rounded = step == 0 ? bytes : (bytes + step - 1) & ~(step - 1);
    return rounded >= bytes ? rounded : bytes;
}

static size_t find_aligned_class(const struct spares *spares, uint64_t bytes, unsigned log2)
{
    if (log2 > ALIGNED_LOG2_MOST)
        return spares->classes - 1;
    uint64_t alignment = UINT64_C(1) << log2;
    size_t class = find_class(spares, bytes == 0 ? alignment : round_up(bytes, alignment));
    while (class + 1 < spares->classes && spares->class[class].bytes % alignment != 0)
        class ++;
    return class;
}

static uint64_t usable_of_class(const struct analysis *analysis, size_t class, uint64_t bytes)
{
    const struct spares *spares = &analysis->spares;
    if (class + 1 < spares->classes)
        return spares->class[class].bytes;
    return round_up(bytes, analysis->facts->class_step);
}

/* -- odd blocks ------------------------------------------------------------------------------- */

static void add_odd(struct spares *spares, uint32_t seat, uint64_t usable)
{
    *(uint64_t *)objects_get(&spares->odd, objects_insert(&spares->odd, seat)) = usable;
}

void spares_remove(struct analysis *analysis, uint32_t seat)
{
    struct spares *spares = &analysis->spares;
    uint32_t place = spares->is_known ? objects_remove(&spares->odd, seat) : 0;
    spares->removed_seat = place != 0 ? seat : 0;
    if (place != 0)
        spares->removed_usable = *(uint64_t *)objects_get(&spares->odd, place);
}

static uint64_t usable_by_size(const struct analysis *analysis, uint64_t bytes)
{
    return usable_of_class(analysis, find_class(&analysis->spares, bytes), bytes);
}

/* Of what the event has just taken out. */
static uint64_t usable_of_old(const struct analysis *analysis, const struct trace_event *event)
{
    const struct spares *spares = &analysis->spares;
    bool was_odd =
        (event->bits & TRACE_EVENT_OLD_ODD) != 0 && spares->removed_seat == event->old_seat;
    return was_odd ? spares->removed_usable : usable_by_size(analysis, event->old_size);
}

/* -- requests --------------------------------------------------------------------------------- */

static void add(struct spare *sum, uint64_t blocks, uint64_t asked, uint64_t spare)
{
    sum->blocks += blocks;
    sum->asked += asked;
    sum->spare += spare;
}

/* A block of a class keeps it where realloc leaves it in place; what is larger is cut to fit. */
static uint64_t usable_of_birth(const struct analysis *analysis, const struct trace_event *event)
{
    const struct spares *spares = &analysis->spares;
    uint64_t usable = usable_by_size(analysis, event->size);
    if (event->alignment_log2 > GRAIN_LOG2) {
        size_t class = find_aligned_class(spares, event->size, event->alignment_log2);
        return usable_of_class(analysis, class, event->size);
    }
    if ((event->bits & TRACE_EVENT_IN_PLACE) == 0 || event->old_seat == 0)
        return usable;
    uint64_t old = usable_of_old(analysis, event);
    return old <= spares->largest && old >= event->size ? old : usable;
}

void spares_add(struct analysis *analysis, uint32_t site, const struct trace_event *event,
                const struct amount *one)
{
    struct spares *spares = &analysis->spares;
    if (!spares->is_known)
        return;
    size_t class = find_class(spares, event->size);
    uint64_t usable = usable_of_class(analysis, class, event->size);
    bool may_be_odd = event->alignment_log2 > GRAIN_LOG2 || (event->bits & TRACE_EVENT_IN_PLACE);
    if (may_be_odd) {
        uint64_t birth = usable_of_birth(analysis, event);
        if (birth != usable)
            add_odd(spares, event->seat, birth);
        usable = birth;
        class = find_class(spares, usable);
    }
    uint64_t spare = (usable - event->size) * one->blocks;
    add(&spares->class[class].all, one->blocks, one->bytes, spare);
    add(&spares->all, one->blocks, one->bytes, spare);
    analysis->site[site].spare.all += spare;
}

/* -- blocks ----------------------------------------------------------------------------------- */

uint64_t spares_usable(const struct analysis *analysis, const struct trace_object *object)
{
    const struct spares *spares = &analysis->spares;
    if (!spares->is_known)
        return object->size;
    uint32_t place = object->is_odd ? objects_find(&spares->odd, object->seat) : 0;
    return place != 0 ? *(uint64_t *)objects_get(&spares->odd, place)
                      : usable_by_size(analysis, object->size);
}

static void add_object(struct analysis *analysis, const struct trace_object *object)
{
    struct spares *spares = &analysis->spares;
    uint64_t usable = spares_usable(analysis, object);
    const struct amount one = booking_weigh(analysis, object->size, &object->number);
    uint64_t spare = (usable - object->size) * one.blocks;
    struct site *site = &analysis->site[booking_find_site(analysis, object->stack)];
    add(&spares->class[find_class(spares, usable)].held, one.blocks, one.bytes, spare);
    add(&spares->held, one.blocks, one.bytes, spare);
    add(&site->spare.held, one.blocks, one.bytes, spare);
}

struct taking {
    struct analysis *analysis;
    const struct trace_event *event; /* NULL: the end */
};

static void show_object(const struct trace_object *object, void *context)
{
    struct taking *taking = context;
    if (taking->event == NULL || taking->event->seat != object->seat)
        add_object(taking->analysis, object);
}

/* The visit is behind the event already: who died by it is still to be counted. */
static void add_dead(struct analysis *analysis, const struct trace_event *event)
{
    const struct trace_object old = {.number = event->old_object,
                                     .size = event->old_size,
                                     .stack = event->old_stack,
                                     .seat = event->old_seat,
                                     .is_odd = true};
    const struct trace_object stale = {.number = event->stale_object,
                                       .size = event->stale_size,
                                       .stack = event->stale_stack,
                                       .seat = event->stale_seat,
                                       .is_odd = true};
    if (event->old_seat != 0)
        add_object(analysis, &old);
    if ((event->bits & TRACE_EVENT_STALE) != 0)
        add_object(analysis, &stale);
}

void spares_take(struct analysis *analysis, const struct trace_visit *visit,
                 const struct trace_event *event)
{
    struct spares *spares = &analysis->spares;
    struct taking taking = {analysis, event};
    if (!spares->is_known || spares->is_taken)
        return;
    spares->is_taken = true;
    spares->time_ns = spares->next_ns != UINT64_MAX ? spares->next_ns : analysis->last_ns;
    spares->next_ns = UINT64_MAX;
    trace_visit_live(visit, show_object, &taking);
    if (event != NULL)
        add_dead(analysis, event);
}
