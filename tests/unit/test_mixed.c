/* test_mixed.c - mixed zones: melted slabs keep their objects, holes serve every small size. */
#include "tests/unit/death.h"

#include <stdlib.h>

#include "allocators/base/bits.h"
#include "allocators/melt.h"
#include "allocators/mixed.h"
#include "allocators/slab.h"
#include "allocators/unit.h"
#include "allocators/zone.h"

static int setup(void **state)
{
    (void)state;
    static struct conf conf;
    conf_init(&conf);
    conf.reserve = UINT64_C(1) << 32;
    conf.decay_ms = 3600000;
    conf.melt = CONF_MELT_ALWAYS;
    return heap_init(&conf);
}

static void audit(void)
{
    slab_audit();
    mixed_audit();
    unit_audit();
}

static void take_all(unsigned class, void **objects, unsigned count)
{
    for (unsigned taken = 0; taken < count;) {
        unsigned more = slab_take(class, objects + taken, count - taken);
        assert_int_not_equal(more, 0);
        taken += more;
    }
}

static bool is_in_zone(const void *p)
{
    return space_ctl_of(p) == CTL_MIXED;
}

/* A zone of one unit, of which only `kept` objects of 64 bytes are taken: the last ones. */
enum { OBJECTS = UNIT_BYTES / 64 };
static void *objects[OBJECTS];

static char *make_zone(unsigned kept)
{
    unsigned class = size_class_of(64);
    void *another = NULL;
    take_all(class, objects, OBJECTS);
    for (unsigned i = 1; i < OBJECTS; i++)
        assert_ptr_equal(objects[i], (char *)objects[0] + i * 64);
    slab_give(class, objects, OBJECTS - kept);
    assert_int_equal(slab_take(size_class_of(1024), &another, 1), 1);
    assert_true(is_in_zone(objects[OBJECTS - 1]));
    assert_true(is_in_zone(another));
    slab_give(size_class_of(1024), &another, 1);
    audit();
    return objects[0];
}

static void end_zone(unsigned kept)
{
    mixed_give(size_class_of(64), objects + OBJECTS - kept, kept, false);
    struct mixed_stats stats;
    mixed_read_stats(&stats);
    assert_int_equal(stats.zones, 0);
    audit();
}

static void objects_of_a_melted_slab_keep_place_and_size(void **state)
{
    (void)state;
    make_zone(40);
    struct slab_stats stats;
    slab_read_stats(size_class_of(64), &stats);
    assert_int_equal(stats.taken_objects, 40);
    assert_int_equal(stats.slabs, 0);
    for (unsigned i = OBJECTS - 40; i < OBJECTS; i++) {
        unsigned class = 0;
        assert_int_equal(heap_owner_of(objects[i]), HEAP_OBJECT);
        assert_int_equal(heap_usable(objects[i]), 64);
        assert_int_equal(mixed_class_of(objects[i]), size_class_of(64));
        assert_int_equal(mixed_class_of((char *)objects[i] + 16), 0);
        assert_ptr_equal(slab_object_of((char *)objects[i] + 63, &class), objects[i]);
        assert_int_equal(class, size_class_of(64));
        assert_true(heap_resize(objects[i], 50));
        assert_false(heap_resize(objects[i], 65));
    }
    slab_give(size_class_of(64), objects + OBJECTS - 40, 39); /* as from a magazine */
    mixed_free(objects[OBJECTS - 1]);
    audit();
    assert_int_equal(mixed_taken(size_class_of(64)), 0);
}

static void the_units_of_an_empty_zone_go_back(void **state)
{
    (void)state;
    char *base = make_zone(3);
    size_t unit = space_unit_of(base);
    mixed_give(size_class_of(64), objects + OBJECTS - 3, 2, false);
    assert_int_equal(*space_ctl(unit), CTL_MIXED);
    mixed_free(objects[OBJECTS - 1]);
    assert_int_equal(*space_ctl(unit), CTL_FREE);
    audit();
}

static void every_class_finds_holes_at_its_alignment(void **state)
{
    (void)state;
    for (unsigned class = SIZE_CLASS_FIRST; class <= size_class_of(MIXED_BYTES_MAX); class ++) {
        size_t bytes = size_tables.classes[class].bytes;
        void *odd[3], *found[4];
        make_zone(40);
        assert_int_equal(mixed_take(size_class_of(48), odd, 3), 3); /* shifts what is free */
        slab_give(size_class_of(48), odd, 1);
        assert_int_equal(mixed_take(class, found, 4), 4);
        for (int i = 0; i < 4; i++) {
            assert_true(is_in_zone(found[i]));
            assert_int_equal((uintptr_t)found[i] % (bytes & -bytes), 0);
            assert_int_equal(heap_usable(found[i]), bytes);
            memset(found[i], i, bytes);
        }
        audit();
        mixed_give(class, found, 4, false);
        mixed_give(size_class_of(48), odd + 1, 2, false);
        end_zone(40);
    }
}

static void neighbours_join_to_a_hole_for_a_larger_object(void **state)
{
    (void)state;
    void *small[OBJECTS], *large[2];
    char *base = make_zone(1);
    unsigned count = mixed_take(size_class_of(64), small, OBJECTS);
    assert_int_equal(count, OBJECTS - 1);
    assert_int_equal(mixed_take(size_class_of(112), large, 1), 0);
    mixed_give(size_class_of(64), small + 10, 1, false);
    assert_int_equal(mixed_take(size_class_of(112), large, 1), 0);
    mixed_give(size_class_of(64), small + 11, 1, false);
    assert_int_equal(mixed_take(size_class_of(112), large, 2), 1);
    assert_ptr_equal(large[0], base + 640);
    mixed_give(size_class_of(112), large, 1, false);
    mixed_give(size_class_of(64), small, 10, false);
    mixed_give(size_class_of(64), small + 12, OBJECTS - 13, false);
    end_zone(1);
}

/* 68 free grains of which no 64 are aligned to 64: a 1024-byte object needs another zone. */
static void a_hole_that_cannot_be_aligned_hides_no_longer_one(void **state)
{
    (void)state;
    static void *small[OBJECTS], *others[300];
    void *p = NULL;
    char *base = make_zone(1);
    assert_int_equal(mixed_take(size_class_of(64), small, OBJECTS), OBJECTS - 1);
    mixed_give(size_class_of(64), small + 1, 17, false);
    assert_int_equal(mixed_take(size_class_of(1024), &p, 1), 0);
    unsigned class = size_class_of(80);
    unsigned count = size_tables.classes[class].objects;
    take_all(class, others, count);
    slab_give(class, others, count - 1);
    assert_int_equal(slab_take(size_class_of(1024), &p, 1), 1); /* melts that slab */
    assert_true(is_in_zone(p));
    assert_int_not_equal(space_unit_of(p), space_unit_of(base));
    audit();
    slab_give(size_class_of(1024), &p, 1);
    slab_give(class, others + count - 1, 1);
    mixed_give(size_class_of(64), small, 1, false);
    mixed_give(size_class_of(64), small + 18, OBJECTS - 19, false);
    end_zone(1);
}

static void leftovers_that_are_free_already_are_passed_over(void **state)
{
    (void)state;
    make_zone(4);
    mixed_give(size_class_of(64), objects + OBJECTS - 4, 2, false);
    slab_give_leftovers(size_class_of(64), objects + OBJECTS - 4, 4);
    assert_int_equal(mixed_taken(size_class_of(64)), 0);
    audit();
}

static void free_and_free_again(void *p)
{
    mixed_free(p);
    heap_free(p);
}

static void give_as_another_size(void *p)
{
    mixed_give(size_class_of(80), &p, 1, false);
}

static void misuse_ends_the_process(void **state)
{
    (void)state;
    make_zone(2);
    char *p = objects[OBJECTS - 1];
    assert_dies(free_and_free_again, p, "double free");
    assert_dies(heap_free, p + 16, "inside a block");
    assert_dies(heap_free, p + 8, "inside a block");
    assert_dies(give_as_another_size, p, "double free");
    end_zone(2);
}

static size_t tick(unsigned seconds)
{
    return mixed_tick(seconds * UINT64_C(1000000000), SIZE_MAX);
}

static void whole_pages_of_holes_are_given_back(void **state)
{
    (void)state;
    struct mixed_stats before, after;
    void *p = NULL;
    char *base = make_zone(2);
    memset(base, 7, 3 * 4096);
    mixed_read_stats(&before);
    assert_int_equal(tick(1), 0); /* seen for the first time */
    assert_int_equal(tick(1), 0); /* not again so soon */
    assert_int_equal(tick(2), 3 * 4096);
    assert_int_equal(tick(3), 0);
    mixed_read_stats(&after);
    assert_int_equal(before.free_bytes - after.free_bytes, 3 * 4096);
    assert_int_equal(base[5000], 0);
    assert_int_equal(((char *)objects[OBJECTS - 1])[0], 0);
    audit();
    assert_int_equal(mixed_take(size_class_of(64), &p, 1), 1); /* from the first page */
    mixed_read_stats(&after);
    assert_int_equal(before.free_bytes - after.free_bytes, 2 * 4096 + 64);
    audit();
    mixed_give(size_class_of(64), &p, 1, false);
    assert_int_equal(mixed_purge(), 4096);
    audit();
    end_zone(2);
}

static void no_page_is_given_back_where_purging_is_off(void **state)
{
    (void)state;
    make_zone(2);
    mixed_set_purge(false);
    assert_int_equal(tick(1), 0);
    assert_int_equal(tick(2), 0);
    assert_int_equal(mixed_purge(), 0);
    mixed_set_purge(true);
    assert_int_equal(mixed_purge(), 3 * 4096);
    end_zone(2);
}

static void pages_that_were_used_in_between_are_not_given_back(void **state)
{
    (void)state;
    void *p = NULL;
    make_zone(2);
    assert_int_equal(tick(1), 0);
    assert_int_equal(mixed_take(size_class_of(64), &p, 1), 1);
    mixed_give(size_class_of(64), &p, 1, false);
    assert_int_equal(tick(2), 2 * 4096);
    assert_int_equal(tick(3), 4096);
    end_zone(2);
}

/* The child of a fork that cut a change: the bitmaps are the truth. */
static void a_cut_zone_is_rebuilt(void **state)
{
    (void)state;
    void *p = NULL;
    char *base = make_zone(5);
    uint32_t first = (uint32_t)space_unit_of(base);
    assert_int_equal(mixed_take(size_class_of(96), &p, 1), 1);
    atomic_store(&mixed.lock.word, 1);
    struct grains grains = zone_grains(zone_at(first));
    grains_take(&grains, 512, 256); /* a stretch that was being purged */
    mixed.purges[2] = (struct zone_purge){first, {512, 768}};
    *zone_at(first) = (struct zone){.first = 77, .free = 3, .longest = 5};
    mixed.taken[size_class_of(96)] = 99;
    mixed_fork_child();
    audit();
    assert_int_equal(mixed_taken(size_class_of(96)), 1);
    assert_int_equal(mixed_taken(size_class_of(64)), 5);
    mixed_free(p);
    end_zone(5);
}

static void pages_that_were_being_purged_at_the_fork_are_holes_again(void **state)
{
    (void)state;
    char *base = make_zone(2);
    struct zone *zone = zone_at(*space_head(space_unit_of(base)));
    struct grains grains = zone_grains(zone);
    mixed.purges[0] = (struct zone_purge){zone->first, {256, 768}};
    grains_take(&grains, 256, 512); /* as take_pages does */
    zone->free = (uint16_t)(zone->free - 512);
    mixed.free -= 512;
    mixed_fork_child();
    audit();
    assert_int_equal(zone->free, OBJECTS * 4 - 2 * 4);
    end_zone(2);
}

static void a_conversion_that_was_cut_at_its_first_label_is_finished(void **state)
{
    (void)state;
    static void *many[300];
    unsigned class = 0; /* a slab of several units */
    while (size_tables.classes[++class].units == 1)
        continue;
    unsigned count = size_tables.classes[class].objects;
    take_all(class, many, count);
    slab_give(class, many, count - 2);
    void *another = NULL;
    assert_int_equal(slab_take(size_class_of(16), &another, 1), 1);
    uint32_t first = *space_head(space_unit_of(many[0]));
    assert_int_equal(*space_ctl(first + 1), CTL_MIXED);
    *space_ctl(first + 1) = (uint8_t) class;
    atomic_store(&mixed.lock.word, 1);
    mixed_fork_child();
    assert_int_equal(*space_ctl(first + 1), CTL_MIXED);
    audit();
    mixed_free(another);
    mixed_free(many[count - 1]);
    mixed_free(many[count - 2]);
    audit();
}

/* Random sizes, taken and given in batches, against a byte pattern of each object. */
static void random_sizes_never_overlap(void **state)
{
    (void)state;
    enum { PLACES = 4000, TURNS = 60000 };
    static struct {
        unsigned char *at;
        unsigned class;
    } held[PLACES];
    uint64_t seed = 0x5eed;
    for (int turn = 0; turn < TURNS; turn++) {
        unsigned place = (unsigned)(random_next(&seed) % PLACES);
        if (held[place].at != NULL) {
            size_t bytes = size_tables.classes[held[place].class].bytes;
            for (size_t i = 0; i < bytes; i++)
                assert_int_equal(held[place].at[i], (unsigned char)place);
            slab_give(held[place].class, (void **)&held[place].at, 1);
            held[place].at = NULL;
        } else if (random_next(&seed) % 4 != 0 || turn < TURNS / 2) {
            unsigned phase = 1 + (unsigned)turn / 6000 * 3; /* other sizes as time goes on */
            unsigned class = phase + (unsigned)(random_next(&seed) % 3);
            assert_int_equal(slab_take(class, (void **)&held[place].at, 1), 1);
            held[place].class = class;
            memset(held[place].at, (int)place, size_tables.classes[class].bytes);
        }
        if (turn % 5000 == 0)
            audit();
    }
    for (unsigned place = 0; place < PLACES; place++) {
        if (held[place].at != NULL)
            slab_give(held[place].class, (void **)&held[place].at, 1);
    }
    audit();
    struct mixed_stats stats;
    mixed_read_stats(&stats);
    assert_int_equal(stats.zones, 0);
}

/* 4 MiB of 48-byte objects, each tenth of which stays; then slabs of another class are wanted, more
 * than are made after a look in vain. */
static bool melts_for_another_class(void)
{
    enum { COUNT = 4 * 1024 * 1024 / 48, KEPT = 10, OTHERS = 2000 };
    static void *many[COUNT], *others[OTHERS];
    unsigned class = size_class_of(48);
    take_all(class, many, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        if (i % KEPT != 0)
            slab_give(class, many + i, 1);
    }
    take_all(size_class_of(208), others, OTHERS);
    bool melted = is_in_zone(others[OTHERS - 1]);
    slab_give(size_class_of(208), others, OTHERS);
    for (unsigned i = 0; i < COUNT; i += KEPT)
        slab_give(class, many + i, 1);
    audit();
    return melted;
}

static void slabs_melt_only_before_the_heap_would_grow(void **state)
{
    (void)state;
    melt_init(CONF_MELT_ON);
    unit_purge();
    assert_true(melts_for_another_class());
    uint32_t dirty = unit_alloc(600, 1, NULL); /* more than the objects take */
    uint32_t wall = unit_alloc(1, 1, NULL);
    unit_free(dirty, 600);
    assert_false(melts_for_another_class());
    unit_free(wall, 1);
    melt_init(CONF_MELT_OFF);
    unit_purge();
    assert_false(melts_for_another_class());
    melt_init(CONF_MELT_ALWAYS);
}

static void all_sparse_slabs_melt_at_once_when_much_is_free(void **state)
{
    (void)state;
    enum { COUNT = 40000, KEPT = 16 }; /* 4 MiB of 112 bytes, one in sixteen kept */
    static void *many[COUNT];
    unsigned class = size_class_of(112);
    struct slab_stats stats;
    take_all(class, many, COUNT);
    melt_init(CONF_MELT_ON);
    assert_int_equal(melt_all(), 0); /* they are full */
    for (unsigned i = 0; i < COUNT; i++) {
        if (i % KEPT != 0)
            slab_give(class, &many[i], 1);
    }
    melt_init(CONF_MELT_OFF);
    assert_int_equal(melt_all(), 0);
    melt_init(CONF_MELT_ON);
    assert_true(melt_all() > COUNT * 112 / 8 * 7);
    slab_read_stats(class, &stats);
    assert_true(stats.slabs <= 1);
    assert_true(is_in_zone(many[COUNT / 2]));
    assert_int_equal(melt_all(), 0);
    audit();
    for (unsigned i = 0; i < COUNT; i += KEPT)
        mixed_give(class, &many[i], 1, true);
    melt_init(CONF_MELT_ALWAYS);
    audit();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_of_a_melted_slab_keep_place_and_size),
        cmocka_unit_test(the_units_of_an_empty_zone_go_back),
        cmocka_unit_test(every_class_finds_holes_at_its_alignment),
        cmocka_unit_test(neighbours_join_to_a_hole_for_a_larger_object),
        cmocka_unit_test(a_hole_that_cannot_be_aligned_hides_no_longer_one),
        cmocka_unit_test(leftovers_that_are_free_already_are_passed_over),
        cmocka_unit_test(misuse_ends_the_process),
        cmocka_unit_test(whole_pages_of_holes_are_given_back),
        cmocka_unit_test(no_page_is_given_back_where_purging_is_off),
        cmocka_unit_test(pages_that_were_used_in_between_are_not_given_back),
        cmocka_unit_test(a_cut_zone_is_rebuilt),
        cmocka_unit_test(pages_that_were_being_purged_at_the_fork_are_holes_again),
        cmocka_unit_test(a_conversion_that_was_cut_at_its_first_label_is_finished),
        cmocka_unit_test(slabs_melt_only_before_the_heap_would_grow),
        cmocka_unit_test(all_sparse_slabs_melt_at_once_when_much_is_free),
        cmocka_unit_test(random_sizes_never_overlap),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
