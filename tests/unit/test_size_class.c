/* test_size_class.c - the class tables hold what size_class.h promises. */
#include "tests/unit/unit.h"

#include "allocators/slab.h"

static const struct profile no_profile;

static int setup(void **state)
{
    (void)state;
    size_class_init(&no_profile);
    gate_init();
    return 0;
}

static void every_size_gets_the_smallest_class_that_holds_it(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes <= SIZE_SLAB_MAX; bytes++) {
        unsigned class = size_class_of(bytes);
        assert_in_range(class, SIZE_CLASS_FIRST, SIZE_CLASS_EXACT - 1);
        assert_true(size_tables.classes[class].bytes >= bytes);
        assert_true(class == SIZE_CLASS_FIRST || size_tables.classes[class - 1].bytes < bytes);
    }
    assert_int_equal(size_class_of(0), SIZE_CLASS_FIRST);
}

static void rounding_wastes_at_most_an_eighth_above_128_bytes(void **state)
{
    (void)state;
    for (size_t bytes = 129; bytes <= SIZE_SLAB_MAX; bytes++) {
        size_t waste = size_tables.classes[size_class_of(bytes)].bytes - bytes;
        assert_true(waste * 8 < bytes);
    }
}

static void the_sizes_databases_use_most_are_exact(void **state)
{
    (void)state;
    const size_t hot[] = {64, 128, 192, 256, 384, 512, 1024, 2048, 4096};
    for (size_t i = 0; i < sizeof(hot) / sizeof(hot[0]); i++)
        assert_int_equal(size_tables.classes[size_class_of(hot[i])].bytes, hot[i]);
}

static void check_geometry(const struct size_class *size)
{
    size_t slab_bytes = (size_t)size->units * UNIT_BYTES;
    assert_in_range(size->objects, 4, SLAB_OBJECTS_MAX);
    assert_true((size_t)size->objects * size->bytes <= slab_bytes);
    assert_true((slab_bytes - (size_t)size->objects * size->bytes) * 16 < slab_bytes);
    for (size_t offset = 0; offset < slab_bytes; offset++)
        assert_int_equal(size_class_index(size, offset), offset / size->bytes);
}

static void the_reciprocal_finds_every_object(void **state)
{
    (void)state;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_EXACT; class ++)
        check_geometry(&size_tables.classes[class]);
}

static bool has_exact_classes(void)
{
    return size_tables.classes[SIZE_CLASS_EXACT].bytes != 0;
}

static void check_aligned_classes(void)
{
    for (size_t alignment = 16; alignment <= UNIT_BYTES; alignment *= 2) {
        for (size_t bytes = 1; bytes <= SIZE_SLAB_MAX; bytes += 13) {
            unsigned class = size_class_of_aligned(bytes, alignment);
            assert_int_not_equal(class, 0);
            assert_true(size_tables.classes[class].bytes >= bytes);
            assert_int_equal(size_tables.classes[class].bytes % alignment, 0);
            unsigned rounded = gate_class_of_rounded(bytes, alignment);
            assert_true(rounded == class || (rounded == 0 && has_exact_classes()));
        }
    }
    assert_int_equal(size_class_of_aligned(16, 2 * UNIT_BYTES), 0);
    assert_int_equal(gate_class_of_rounded(16, 2 * UNIT_BYTES), 0);
    assert_int_equal(gate_class_of_rounded(0, 64), 0);
    assert_int_equal(gate_class_of_rounded(64, 0), 0);
    assert_int_equal(gate_class_of_rounded(64, 48), 0);
    assert_int_equal(gate_class_of_rounded(SIZE_SLAB_MAX + 1, 64), 0);
}

static void aligned_classes_keep_every_object_aligned(void **state)
{
    (void)state;
    check_aligned_classes();
}

/* -- profiles --------------------------------------------------------------------------------- */

enum { GRID = SIZE_SLAB_MAX / SIZE_GRAIN }; /* sizes that a class can have */

static uint32_t grid_bytes(size_t index)
{
    return (uint32_t)(index + 1) * SIZE_GRAIN;
}

static void choose_exact(struct profile *profile, uint64_t *random)
{
    bool chosen[GRID] = {false};
    for (uint64_t i = random_next(random) % 17; i > 0; i--)
        chosen[random_next(random) % GRID] = true;
    for (size_t i = 0; i < GRID; i++) {
        if (chosen[i])
            profile->exact_bytes[profile->exact++] = grid_bytes(i);
    }
}

/* The model: the smallest size of the default ladder or of the profile that holds the request. */
static uint32_t model_of(const struct profile *profile, const uint32_t *ladder, size_t bytes)
{
    uint32_t best = UINT32_MAX;
    for (unsigned class = SIZE_CLASS_FIRST; class < SIZE_CLASS_EXACT; class ++) {
        if (ladder[class] >= bytes && ladder[class] < best)
            best = ladder[class];
    }
    for (uint32_t i = 0; i < profile->exact; i++) {
        if (profile->exact_bytes[i] >= bytes && profile->exact_bytes[i] < best)
            best = profile->exact_bytes[i];
    }
    return best;
}

static void a_profile_adds_its_classes_and_changes_nothing_else(void **state)
{
    (void)state;
    uint32_t ladder[SIZE_CLASS_EXACT];
    for (unsigned class = 0; class < SIZE_CLASS_EXACT; class ++)
        ladder[class] = size_tables.classes[class].bytes;
    uint64_t random = 2005;
    print_message("seed %llu\n", (unsigned long long)random);
    for (unsigned round = 0; round < 50; round++) {
        struct profile profile = {0};
        choose_exact(&profile, &random);
        memset(&size_tables, 0, sizeof(size_tables));
        size_class_init(&profile);
        gate_init();
        for (size_t bytes = 1; bytes <= SIZE_SLAB_MAX; bytes++)
            assert_int_equal(size_tables.classes[size_class_of(bytes)].bytes,
                             model_of(&profile, ladder, bytes));
        for (unsigned class = SIZE_CLASS_EXACT; class < SIZE_CLASS_END; class ++) {
            if (size_tables.classes[class].bytes != 0)
                check_geometry(&size_tables.classes[class]);
        }
        check_aligned_classes();
    }
}

/* Above 128 bytes the sizes of a spacing are multiples of as many parts of the doubling below. */
static bool is_of_spacing(uint32_t bytes, uint32_t spacing)
{
    uint32_t doubling = 128;
    while (2 * doubling <= bytes)
        doubling *= 2;
    return bytes <= 128 || bytes % (doubling / spacing) == 0;
}

static void a_spacing_leaves_out_classes_but_no_size(void **state)
{
    (void)state;
    for (uint32_t spacing = 1; spacing <= 8; spacing *= 2) {
        const struct profile profile = {.spacing = spacing, .exact = 1, .exact_bytes = {144 * 16}};
        memset(&size_tables, 0, sizeof(size_tables));
        size_class_init(&profile);
        gate_init();
        size_t serving = 0;
        for (uint32_t bytes = SIZE_GRAIN, above = 0; bytes <= SIZE_SLAB_MAX; bytes += SIZE_GRAIN) {
            const struct size_class *class = &size_tables.classes[size_class_of(bytes)];
            bool is_class =
                bytes == 144 * 16 || (is_of_spacing(bytes, spacing) && is_of_spacing(bytes, 8));
            assert_int_equal(class->bytes == bytes, is_class);
            assert_true(class->bytes >= bytes);
            for (uint32_t size = above + 1; is_class && size <= bytes; size++)
                assert_ptr_equal(&size_tables.classes[size_class_of(size)], class);
            above = is_class ? bytes : above;
            serving += is_class;
        }
        assert_int_equal(serving, 8 + 8 * spacing + (spacing < 8));
        check_aligned_classes();
    }
}

static void warm_rounds_are_where_a_thread_starts(void **state)
{
    (void)state;
    const struct profile profile = {.exact = 1,
                                    .exact_bytes = {304},
                                    .warm = 4,
                                    .warms = {{60, 128}, {290, 100}, {1024, 8}, {4096, 256}}};
    memset(&size_tables, 0, sizeof(size_tables));
    size_class_init(&profile);
    gate_init();
    assert_int_equal(8 << size_tables.classes[size_class_of(64)].step, 128);
    assert_int_equal(size_tables.classes[size_class_of(304)].bytes, 304);
    assert_int_equal(8 << size_tables.classes[size_class_of(304)].step, 128);
    assert_int_equal(size_tables.classes[size_class_of(304)].rounds_max, 107);
    assert_int_equal(size_tables.classes[size_class_of(1024)].step, 0);
    assert_int_equal(8 << size_tables.classes[size_class_of(4096)].step, 256);
    assert_int_equal(size_tables.classes[size_class_of(4096)].rounds_max, 256);
    assert_int_equal(size_tables.classes[size_class_of(16)].step, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_gets_the_smallest_class_that_holds_it),
        cmocka_unit_test(rounding_wastes_at_most_an_eighth_above_128_bytes),
        cmocka_unit_test(the_sizes_databases_use_most_are_exact),
        cmocka_unit_test(the_reciprocal_finds_every_object),
        cmocka_unit_test(aligned_classes_keep_every_object_aligned),
        cmocka_unit_test(a_profile_adds_its_classes_and_changes_nothing_else),
        cmocka_unit_test(a_spacing_leaves_out_classes_but_no_size),
        cmocka_unit_test(warm_rounds_are_where_a_thread_starts),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
