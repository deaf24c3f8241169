/* spare.c - the class of each request as it comes; those of all blocks once, when most was
 * resident. */
#include "tools/analysis/spare.h"

#include "tools/analysis/analysis.h"

enum {
    GRAIN = 16,
    GRAIN_LOG2 = 4,
    ALIGNED_LOG2_MOST = 14, /* of classes; see format.h */
    FIRST_SLOTS = 64
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

static struct spare_odd *find_slot(const struct spares *spares, uint64_t object)
{
    size_t at = (size_t)(object * UINT64_C(0x9E3779B97F4A7C15) >> 20) & (spares->odd_slots - 1);
    while (spares->odd[at].object != 0 && spares->odd[at].object != object)
        at = (at + 1) & (spares->odd_slots - 1);
    return &spares->odd[at];
}

static bool is_alive(const struct analysis *analysis, const struct spare_odd *odd)
{
    const struct block *block = live_find(&analysis->live, odd->seat);
    return odd->object != 0 && block != NULL && block->object == odd->object;
}

/* Only those that live move on; if these are few, there is room again without more slots. */
static void make_room(struct analysis *analysis)
{
    struct spares *spares = &analysis->spares;
    const struct spares old = *spares;
    size_t alive = 0;
    for (size_t i = 0; i < old.odd_slots; i++)
        alive += is_alive(analysis, &old.odd[i]);
    if (old.odd_slots == 0)
        spares->odd_slots = FIRST_SLOTS;
    else if (4 * alive > old.odd_slots)
        spares->odd_slots = 2 * old.odd_slots;
    spares->odd = store_alloc(analysis->store, spares->odd_slots, sizeof spares->odd[0]);
    spares->odds = alive;
    for (size_t i = 0; i < old.odd_slots; i++) {
        if (is_alive(analysis, &old.odd[i]))
            *find_slot(spares, old.odd[i].object) = old.odd[i];
    }
    if (old.odd != NULL)
        store_free(old.odd);
}

static void add_odd(struct analysis *analysis, const struct trace_event *event, uint64_t usable)
{
    struct spares *spares = &analysis->spares;
    if (2 * (spares->odds + 1) > spares->odd_slots)
        make_room(analysis);
    *find_slot(spares, event->object) = (struct spare_odd){event->object, usable, event->seat};
    spares->odds++;
}

static uint64_t usable_of_block(const struct analysis *analysis, uint64_t object, uint64_t bytes)
{
    const struct spares *spares = &analysis->spares;
    if (spares->odds != 0) {
        const struct spare_odd *odd = find_slot(spares, object);
        if (odd->object != 0)
            return odd->usable;
    }
    return usable_of_class(analysis, find_class(spares, bytes), bytes);
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
    uint64_t usable = usable_of_class(analysis, find_class(spares, event->size), event->size);
    if (event->alignment_log2 > GRAIN_LOG2) {
        size_t class = find_aligned_class(spares, event->size, event->alignment_log2);
        return usable_of_class(analysis, class, event->size);
    }
    if ((event->bits & TRACE_EVENT_IN_PLACE) == 0 || event->old_object == 0)
        return usable;
    uint64_t old = usable_of_block(analysis, event->old_object, event->old_size);
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
            add_odd(analysis, event, birth);
        usable = birth;
        class = find_class(spares, usable);
    }
    uint64_t spare = (usable - event->size) * one->blocks;
    add(&spares->class[class].all, one->blocks, one->bytes, spare);
    add(&spares->all, one->blocks, one->bytes, spare);
    analysis->site[site].spare.all += spare;
}

/* -- blocks ----------------------------------------------------------------------------------- */

uint64_t spares_usable(const struct analysis *analysis, const struct block *block)
{
    if (!analysis->spares.is_known)
        return block->bytes;
    return usable_of_block(analysis, block->object, block->bytes);
}

static void add_block(const struct block *block, void *context)
{
    struct analysis *analysis = context;
    struct spares *spares = &analysis->spares;
    uint64_t usable = spares_usable(analysis, block);
    const struct amount one =
        estimate_weigh(analysis->facts->header.sample_period, block->bytes, block->object);
    uint64_t spare = (usable - block->bytes) * one.blocks;
    add(&spares->class[find_class(spares, usable)].held, one.blocks, one.bytes, spare);
    add(&spares->held, one.blocks, one.bytes, spare);
    add(&analysis->site[block->site].spare.held, one.blocks, one.bytes, spare);
}

void spares_take(struct analysis *analysis)
{
    struct spares *spares = &analysis->spares;
    if (!spares->is_known || spares->is_taken)
        return;
    spares->is_taken = true;
    spares->time_ns = spares->next_ns != UINT64_MAX ? spares->next_ns : analysis->last_ns;
    spares->next_ns = UINT64_MAX;
    live_visit(&analysis->live, add_block, analysis);
}
