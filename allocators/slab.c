/* slab.c - a slab is a run of units cut into equal objects of one class.
 *
 *     span of its first unit: struct slab (counts, links, one bit per object: 1 = free)
 *     control byte of every unit: the class; head of every unit: the first unit
 *
 * Partly used slabs wait in the buckets of pool.c. Free objects hold nothing of ours: a use after
 * free cannot corrupt the heap, and a batch touches one line of metadata per slab. */
#include "allocators/slab.h"

#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/growth.h"
#include "allocators/melt.h"
#include "allocators/mixed.h"
#include "allocators/pool.h"

/* -- taking ----------------------------------------------------------------------------------- */

/* Bytes below `end` are handed out. */
static void pass_fresh(struct slab *slab, size_t end)
{
    if (slab->fresh < end)
        slab->fresh = (uint32_t)end;
}

/* Takes an object's bit; its address. */
static void *take_object(struct slab *slab, unsigned index)
{
    size_t bytes = slab_class(slab)->bytes;
    bit_clear(slab->free_bits, index);
    slab->free--;
    pass_fresh(slab, (index + 1) * bytes);
    return (char *)space_address(slab->first) + index * bytes;
}

/* The pages that `count` objects from number `index` on lie on. */
static uint64_t pages_of(const struct slab *slab, unsigned index, unsigned count)
{
    size_t bytes = slab_class(slab)->bytes;
    return slab_pages(index * bytes, (index + count) * bytes);
}

/* Takes free objects of pages that hold memory, where purged pages lie between those. */
static unsigned take_resident(struct slab *slab, void **objects, unsigned count)
{
    unsigned taken = 0;
    unsigned most = slab_class(slab)->objects;
    for (unsigned from = slab->word * 64U; from < most && taken < count; from += 64) {
        unsigned end = from + 64 < most ? from + 64 : most;
        if ((pages_of(slab, from, end - from) & slab->held) == 0)
            continue;
        uint64_t bits = slab->free_bits[from / 64];
        for (; bits != 0 && taken < count; bits &= bits - 1) {
            unsigned index = from + (unsigned)__builtin_ctzll(bits);
            uint64_t pages = pages_of(slab, index, 1);
            if ((pages & ~slab->held) != 0)
                continue;
            slab->idle &= ~pages;
            objects[taken++] = take_object(slab, index);
        }
    }
    return taken;
}

/* Takes the lowest objects of a word of the bitmap, a stretch of neighbours at a time (which they
 * mostly are; object by object took 14 instructions each instead of 8). `base`: of its first one.
 */
static unsigned take_from_word(uint64_t *word, char *base, size_t bytes, void **objects,
                               unsigned count)
{
    uint64_t bits = *word;
    unsigned taken = 0;
    while (bits != 0 && taken < count) {
        unsigned from = (unsigned)__builtin_ctzll(bits);
        uint64_t others = ~(bits >> from);
        unsigned stretch = others != 0 ? (unsigned)__builtin_ctzll(others) : 64;
        if (stretch > count - taken)
            stretch = count - taken;
        bits &= ~(~UINT64_C(0) >> (64 - stretch) << from);
        char *object = base + from * bytes;
        for (unsigned end = taken + stretch; taken < end; object += bytes)
            objects[taken++] = object;
    }
    *word = bits;
    return taken;
}

/* Takes the lowest free objects, so that the tail of a young slab is never touched. */
static unsigned take_lowest(struct slab *slab, void **objects, unsigned count)
{
    const size_t bytes = slab_class(slab)->bytes;
    char *base = space_address(slab->first);
    unsigned taken = 0;
    unsigned word = slab->word;
    while (taken < count && taken < slab->free) {
        taken += take_from_word(&slab->free_bits[word], base + word * 64 * bytes, bytes,
                                objects + taken, count - taken);
        word += slab->free_bits[word] == 0 && taken < slab->free;
    }
    slab->word = (uint8_t)word;
    slab->free = (uint16_t)(slab->free - taken);
    if (taken > 0) { /* all objects between the first and the last are in use now */
        size_t end = (size_t)((char *)objects[taken - 1] - base) + bytes;
        uint64_t pages = slab_pages((size_t)((char *)objects[0] - base), end);
        slab->held |= pages;
        slab->idle &= ~pages;
        pass_fresh(slab, end);
    }
    return taken;
}

/* Pages that were given back are growth when they are filled again, so many as that takes. */
static MP_RARE bool may_fill_again(const struct slab *slab, unsigned count)
{
    if (slab->fresh == 0) /* nothing of it was touched: its units were growth */
        return true;
    size_t purged = bits_of(slab_pages(0, slab->fresh) & ~slab->held) * SLAB_PAGE_BYTES;
    size_t most = round_up(count * slab_class(slab)->bytes, SLAB_PAGE_BYTES) + SLAB_PAGE_BYTES;
    return purged == 0 || growth_take(purged < most ? purged : most);
}

static unsigned take_from_slab(struct slab *slab, void **objects, unsigned count)
{
    unsigned taken = 0;
    if ((slab->held & (slab->held + 1)) != 0)
        taken = take_resident(slab, objects, count);
    if (growth_is_limited() && taken < count && !may_fill_again(slab, count - taken))
        return taken;
    return taken + take_lowest(slab, objects + taken, count - taken);
}

/* The slab to take from; the last resort before a new one is a slab that was to be drained. */
static struct slab *choose(struct pool *pool, bool found_some)
{
    struct slab *slab = pool_fullest(pool);
    if (slab == NULL && !found_some && (slab = pool_fullest_draining(pool)) != NULL)
        pool_set_draining(pool, slab, false);
    return slab;
}

/* Which pages of an object, its first one being bit 0, may be anything but zero in a slab of which
 * these are held and fresh. */
static uint64_t dirty_pages(const struct slab *slab, const void *object, uint64_t held,
                            uint32_t fresh)
{
    size_t from = (size_t)((const char *)object - (char *)space_address(slab->first));
    if (from >= fresh)
        return 0;
    uint64_t pages = slab_pages(from, from + slab_class(slab)->bytes);
    return (held & pages) >> (from >> SLAB_PAGE_SHIFT);
}

/* What the heap has is never refused: objects on pages that hold memory, of whichever slab. */
static MP_RARE unsigned take_resident_of_any(struct pool *pool, void **objects, unsigned count)
{
    for (unsigned list = 0; list < pool_nodes * POOL_DRAINING; list++) {
        uint32_t first = pool_lists(pool, list / POOL_DRAINING)[list % POOL_DRAINING];
        for (; first != UNIT_NONE; first = slab_at(first)->next) {
            struct slab *slab = slab_at(first);
            bool was_empty = slab_is_empty(slab);
            unsigned taken = take_resident(slab, objects, count);
            if (taken == 0)
                continue;
            pool->empty -= was_empty;
            pool_update(pool, slab);
            return taken;
        }
    }
    return 0;
}

/* dirty (may be NULL; else one object is wanted): which of its pages are. */
static unsigned take_from_pool(struct pool *pool, void **objects, unsigned count, uint64_t *dirty)
{
    unsigned taken = 0;
    struct slab *slab = NULL;
    while (taken < count && (slab = choose(pool, taken > 0)) != NULL) {
        uint64_t held = slab->held;
        uint32_t fresh = slab->fresh;
        pool->held -= bits_of(held);
        pool->empty -= slab_is_empty(slab);
        unsigned more = take_from_slab(slab, objects + taken, count - taken);
        taken += more;
        if (more > 0 && dirty != NULL)
            *dirty = dirty_pages(slab, objects[0], held, fresh);
        pool->held += bits_of(slab->held);
        pool->empty += slab_is_empty(slab);
        pool_update(pool, slab);
        if (more == 0) /* of these pages were given back, and are not to be had just now */
            break;
    }
    if (taken == 0 && slab != NULL && (taken = take_resident_of_any(pool, objects, count)) > 0 &&
        dirty != NULL)
        *dirty = UINT64_MAX;
    pool->taken += taken;
    return taken;
}

static unsigned take_from_new_slab(struct pool *pool, unsigned class, void **objects,
                                   unsigned count, uint64_t *dirty)
{
    struct slab *slab = pool_create_slab(class);
    if (slab == NULL)
        return 0;
    lock_take(&pool->lock);
    pool_publish(pool, slab);
    unsigned taken = take_from_pool(pool, objects, count, dirty);
    bool is_surplus = slab_is_empty(slab) && pool->empty > 1;
    if (is_surplus) /* somebody gave objects back meanwhile */
        pool_retire(pool, slab);
    lock_drop(&pool->lock);
    if (is_surplus)
        pool_free_units(slab);
    return taken;
}

static unsigned take(unsigned class, void **objects, unsigned count, uint64_t *dirty)
{
    MP_ASSERT(class >= SIZE_CLASS_FIRST && class < SIZE_CLASS_END);
    struct pool *pool = &pools[class];
    slab_provoke(pool);
    lock_take(&pool->lock);
    unsigned taken = take_from_pool(pool, objects, count, dirty);
    lock_drop(&pool->lock);
    if (taken > 0)
        return taken; /* what the partial slabs had: no new slab for the rest of a batch */

    taken = melt_take(class, objects, count);
    if (taken > 0 && dirty != NULL)
        *dirty = UINT64_MAX; /* zones do not know */
    return taken > 0 ? taken : take_from_new_slab(pool, class, objects, count, dirty);
}

unsigned slab_take(unsigned class, void **objects, unsigned count)
{
    return take(class, objects, count, NULL);
}

static void clear_pages(void *p, size_t bytes, uint64_t dirty)
{
    const uintptr_t begin = (uintptr_t)p, end = begin + bytes;
    while (dirty != 0) {
        uint64_t run = bits_lowest_run(dirty);
        uintptr_t page = begin / SLAB_PAGE_BYTES + (unsigned)__builtin_ctzll(run);
        uintptr_t from = page * SLAB_PAGE_BYTES, to = from + bits_of(run) * SLAB_PAGE_BYTES;
        from = from > begin ? from : begin;
        memset((void *)from, 0, (to < end ? to : end) - from);
        dirty &= ~run;
    }
}

void *slab_take_zeroed(unsigned class)
{
    void *p = NULL;
    uint64_t dirty = 0;
    if (take(class, &p, 1, &dirty) == 1)
        clear_pages(p, size_tables.classes[class].bytes, dirty);
    return p;
}

/* -- giving ----------------------------------------------------------------------------------- */

/* How many of the objects, which are some, lie `step` bytes behind the one before them. */
static inline unsigned row_of(void *const *objects, unsigned most, ptrdiff_t step)
{
    unsigned row = 1;
    for (const char *next = (const char *)objects[0] + step; row < most && objects[row] == next;
         next += step)
        row++;
    return row;
}

/* Neighbours from the first object on, upwards or downwards, whose bits share a word with its own
 * (that of object `index` of the slab). *row: how many they are; their bits. A program that frees
 * in the order of its allocations, or against it, hands over little else (object by object took 25
 * instructions each instead of 7). */
static uint64_t take_row(const struct size_class *class, unsigned index, void *const *objects,
                         unsigned count, unsigned *row)
{
    const ptrdiff_t bytes = class->bytes;
    const unsigned bit = index % 64;
    unsigned low = bit;
    *row = 1;
    if (count > 1 && (const char *)objects[1] - (const char *)objects[0] == bytes) {
        unsigned most = 64 - bit < class->objects - index ? 64 - bit : class->objects - index;
        *row = row_of(objects, count < most ? count : most, bytes);
    } else if (count > 1 && (const char *)objects[0] - (const char *)objects[1] == bytes) {
        *row = row_of(objects, count < bit + 1 ? count : bit + 1, -bytes);
        low = bit + 1 - *row;
    }
    return ~UINT64_C(0) >> (64 - *row) << low;
}

/* Objects of the word that were to be given and are free already: how many. Only leftovers may be.
 */
static unsigned pass_over(const struct slab *slab, unsigned word, uint64_t bits, bool leftovers)
{
    unsigned index = word * 64 + (unsigned)__builtin_ctzll(bits);
    MP_CHECK(leftovers, FAULT_DOUBLE_FREE,
             (char *)space_address(slab->first) + index * (size_t)slab_class(slab)->bytes);
    return (unsigned)bits_of(bits);
}

/* Gives the objects that lie in one slab, as far as they follow each other: its counts are written
 * once for all of them (one by one: 31 instructions an object). Returns how many these were;
 * *given: how many of them were out. Ends the process where no object begins, or one is free
 * already, which only leftovers may be. */
static unsigned give_run(struct slab *slab, void *const *objects, unsigned count, bool leftovers,
                         unsigned *given)
{
    const struct size_class *class = slab_class(slab);
    const uintptr_t base = (uintptr_t)space_address(slab->first);
    const size_t end = class->objects * (size_t) class->bytes;
    unsigned lowest = slab->word;
    unsigned done = 0, passed_over = 0, row;
    size_t offset = (uintptr_t)objects[0] - base;
    MP_CHECK(offset < end, FAULT_INTERIOR_FREE, objects[0]);
    do {
        unsigned index = size_class_index(class, offset);
        unsigned word = index / 64;
        MP_CHECK(index * (size_t) class->bytes == offset, FAULT_INTERIOR_FREE, objects[done]);
        uint64_t bits = take_row(class, index, objects + done, count - done, &row);
        if (MP_UNLIKELY((slab->free_bits[word] & bits) != 0))
            passed_over += pass_over(slab, word, slab->free_bits[word] & bits, leftovers);
        slab->free_bits[word] |= bits;
        lowest = word < lowest ? word : lowest;
        done += row;
    } while (done < count && (offset = (uintptr_t)objects[done] - base) < end);
    *given = done - passed_over;
    slab->word = (uint8_t)lowest;
    slab->free = (uint16_t)(slab->free + *given);
    return done;
}

static bool is_mixed(const void *p)
{
    unsigned ctl = space_ctl_of(p);
    return ctl == CTL_MIXED || ctl == CTL_ARENA; /* to which the zone is lent */
}

/* Gives objects until one slab too many is empty, or an object's slab is a zone now. Returns how
 * many were given; *empty: the slab to be freed, or NULL. Class lock. */
static unsigned give_some(struct pool *pool, void *const *objects, unsigned count, bool leftovers,
                          struct slab **empty)
{
    *empty = NULL;
    unsigned done = 0;
    while (done < count && *empty == NULL && !is_mixed(objects[done])) {
        bool has_slab = pool == &pools[pool_class_of(objects[done])];
        MP_CHECK(has_slab || leftovers, FAULT_DOUBLE_FREE, objects[done]);
        if (!has_slab) {
            done++;
            continue;
        }
        struct slab *slab = slab_of(objects[done]);
        unsigned given;
        done += give_run(slab, objects + done, count - done, leftovers, &given);
        pool->taken -= given;
        if (given > 0 && pool_settle(pool, slab))
            *empty = slab;
    }
    return done;
}

static unsigned give_mixed(unsigned class, void *const *objects, unsigned count, bool leftovers)
{
    unsigned done = 0;
    while (done < count && is_mixed(objects[done])) /* and will be while it is out */
        done++;
    if (done > 0)
        mixed_give(class, objects, done, leftovers);
    return done;
}

static void give(unsigned class, void *const *objects, unsigned count, bool leftovers)
{
    struct pool *pool = &pools[class];
    while (count > 0) {
        unsigned mixed = give_mixed(class, objects, count, leftovers);
        objects += mixed;
        count -= mixed;
        struct slab *empty;
        lock_take(&pool->lock);
        unsigned done = give_some(pool, objects, count, leftovers, &empty);
        lock_drop(&pool->lock);
        if (empty != NULL)
            pool_free_units(empty);
        objects += done;
        count -= done;
    }
}

void slab_give(unsigned class, void *const *objects, unsigned count)
{
    give(class, objects, count, false);
}

void slab_free(void *p)
{
    unsigned class = pool_class_of(p);
    if (class != 0)
        give(class, &p, 1, false);
    else
        mixed_free(p);
}

void slab_give_leftovers(unsigned class, void *const *objects, unsigned count)
{
    give(class, objects, count, true);
}

/* -- questions -------------------------------------------------------------------------------- */

void *slab_object_of(const void *p, unsigned *class)
{
    *class = pool_class_of(p);
    if (*class == 0)
        return mixed_object_of(p, class);
    /* It may become a zone right now: nothing of what follows is in the slab's span. */
    const struct size_class *size = &size_tables.classes[*class];
    char *base = space_address(*space_head(space_unit_of(p)));
    unsigned index = size_class_index(size, (size_t)((const char *)p - base));
    return index < size->objects ? base + index * (size_t)size->bytes : NULL;
}

void slab_read_stats(unsigned class, struct slab_stats *stats)
{
    struct pool *pool = &pools[class];
    size_t bytes = size_tables.classes[class].bytes;
    lock_take(&pool->lock);
    stats->taken_objects = pool->taken + mixed_taken(class);
    stats->taken_bytes = stats->taken_objects * bytes;
    stats->free_bytes = pool->held * SLAB_PAGE_BYTES - pool->taken * bytes;
    stats->slabs = pool->slabs;
    lock_drop(&pool->lock);
}
