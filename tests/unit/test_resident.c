/* test_resident.c - mappings and tables of areas in built traces, and what an account of resident
 * memory makes of them. */
#include "tests/unit/built_trace.h"

#include "tools/analysis/ranges.h"
#include "tools/analysis/resident.h"

enum { PAGE = 4096 };

/* -- ranges ----------------------------------------------------------------------------------- */

enum { PLACES = 200 };

static void add_up(uint64_t bytes, uint32_t value, void *context)
{
    ((uint64_t *)context)[value] += bytes;
}

static void ranges_agree_with_an_array_on_random_histories(void **state)
{
    (void)state;
    uint32_t place[PLACES] = {0};
    struct store *store = store_create();
    struct ranges ranges;
    ranges_init(&ranges, store);
    unsigned seed = 11;
    printf("seed %u\n", seed);
    srand(seed);
    for (int step = 0; step < 20000; step++) {
        uint64_t start = (uint64_t)rand() % PLACES;
        uint64_t end = start + (uint64_t)rand() % (PLACES - start + 1);
        uint32_t value = (uint32_t)rand() % 4;
        ranges_set(&ranges, start, end, value);
        for (uint64_t i = start; i < end; i++)
            place[i] = value;
        uint64_t sums[4] = {0}, truth[4] = {0};
        uint64_t from = (uint64_t)rand() % PLACES;
        uint64_t to = from + (uint64_t)rand() % (PLACES - from + 1);
        ranges_visit(&ranges, from, to, add_up, sums);
        for (uint64_t i = from; i < to; i++)
            truth[place[i]]++;
        for (int i = 1; i < 4; i++)
            assert_int_equal(sums[i], truth[i]);
    }
    store_destroy(store);
}

/* -- the reader ------------------------------------------------------------------------------- */

static void mappings_come_back_in_whole_pages(void **state)
{
    (void)state;
    builder_mapped(&builder, 0x10000, 100, 0, TRACE_MAPPED_BREAK);
    builder_unmapped(&builder, 0x10000, 5000);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct trace_mappings *mappings = trace_mappings_create(trace);
    struct trace_mapping mapping;
    assert_true(trace_mappings_next(mappings, &mapping));
    assert_int_equal(mapping.what, TRACE_MAPPING_MAPPED);
    assert_int_equal(mapping.bits, TRACE_MAPPED_BREAK);
    assert_int_equal(mapping.start, 0x10000);
    assert_int_equal(mapping.bytes, PAGE);
    assert_int_equal(mapping.protection, 3);
    assert_int_equal(mapping.flags, 0x22);
    assert_true(trace_mappings_next(mappings, &mapping));
    assert_int_equal(mapping.what, TRACE_MAPPING_UNMAPPED);
    assert_int_equal(mapping.bytes, 2 * PAGE);
    assert_false(trace_mappings_next(mappings, &mapping));
    trace_mappings_destroy(mappings);
    trace_close(trace);
}

/* Counts the kinds of what a visit yields. */
static void count_whats(const struct trace *trace, unsigned counts[TRACE_MAPPING_END + 1])
{
    struct trace_mappings *mappings = trace_mappings_create(trace);
    struct trace_mapping mapping;
    while (trace_mappings_next(mappings, &mapping))
        counts[mapping.what]++;
    trace_mappings_destroy(mappings);
}

static void expect_damage(const void *payload, size_t bytes, enum trace_info type)
{
    builder_init(&builder);
    builder_info(&builder, type, payload, bytes);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    assert_non_null(trace_warning(trace, 0));
    assert_non_null(strstr(trace_warning(trace, 0), "info record"));
    unsigned counts[TRACE_MAPPING_END + 1] = {0};
    count_whats(trace, counts);
    assert_int_equal(counts[TRACE_MAPPING_MAPPED] + counts[TRACE_MAPPING_END], 0);
    trace_close(trace);
    builder_fini(&builder);
}

static void what_cannot_be_is_a_warning_and_not_believed(void **state)
{
    (void)state;
    builder_fini(&builder); /* each damage has a builder of its own */
    unsigned char wide[64] = {0};
    unsigned char *at = trace_put_uvarint(wide + 1, 5);
    at = trace_put_uvarint(trace_put_uvarint(at, 0), UINT64_MAX - 4095);
    at = trace_put_uvarint(trace_put_uvarint(trace_put_uvarint(at, 8192), 0), 0);
    expect_damage(wide, (size_t)(at - wide), TRACE_INFO_MAPPED); /* over the end of all addresses */
    expect_damage("\0\1", 2, TRACE_INFO_MAPPED);
    expect_damage("\1", 1, TRACE_INFO_UNMAPPED);
    expect_damage("\1\1\1\2\2", 5, TRACE_INFO_AREAS);
    expect_damage("\1\1\1\2\2\1\1\1\0\x7fx", 11, TRACE_INFO_AREAS); /* a name beyond the end */
    unsigned char far[32] = "\1\1\1\1";
    at = trace_put_svarint(far + 4, INT64_MAX);
    at = trace_put_uvarint(at, 1);
    expect_damage(far, (size_t)(at - far), TRACE_INFO_AREAS);
    builder_init(&builder); /* for the teardown */
}

static void a_table_without_its_last_record_is_none(void **state)
{
    (void)state;
    static const unsigned char half[] = {
        1, TRACE_AREAS_MARK, TRACE_AREAS_FIRST, TRACE_AREA_OWN, 2, 1, 0};
    builder_info(&builder, TRACE_INFO_AREAS, half, sizeof(half));
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    assert_null(trace_warning(trace, 0));
    unsigned counts[TRACE_MAPPING_END + 1] = {0};
    count_whats(trace, counts);
    assert_int_equal(counts[TRACE_MAPPING_TABLE], 1);
    assert_int_equal(counts[TRACE_MAPPING_AREA], 1);
    assert_int_equal(counts[TRACE_MAPPING_END], 0);
    trace_close(trace);
}

/* -- the account ------------------------------------------------------------------------------ */

static const struct resident *read_account(struct trace *trace, struct analysis **analysis)
{
    *analysis = analysis_run(trace, NULL);
    return resident_read(*analysis);
}

#define OWN_AT UINT64_C(0x100000)
#define MAPPED_AT UINT64_C(0x200000)
#define FILE_AT UINT64_C(0x300000)
#define LIBRARY_AT UINT64_C(0x400000)
#define STACK_AT UINT64_C(0x500000)

/* One table: the library's own memory and the program's are neighbours, in one area. */
static void put_table(uint64_t resident_pages)
{
    const struct builder_area areas[] = {
        {.kind = TRACE_AREA_OWN, .start = OWN_AT, .bytes = 16 * PAGE},
        {.kind = TRACE_AREA_ANONYMOUS, .start = OWN_AT, .bytes = 16 * PAGE, .resident = 8 * PAGE},
        {.kind = TRACE_AREA_ANONYMOUS,
         .start = MAPPED_AT,
         .bytes = 16 * PAGE,
         .resident = resident_pages * PAGE},
        {.kind = TRACE_AREA_FILE,
         .start = FILE_AT,
         .bytes = 4 * PAGE,
         .resident = 2 * PAGE,
         .name = "/data"},
        {.kind = TRACE_AREA_FILE,
         .start = LIBRARY_AT,
         .bytes = 4 * PAGE,
         .resident = 3 * PAGE,
         .name = "/lib/x.so"},
        {.kind = TRACE_AREA_STACK, .start = STACK_AT, .bytes = 8 * PAGE, .resident = PAGE}};
    builder_areas(&builder, TRACE_AREAS_GROWN, areas, sizeof areas / sizeof areas[0]);
}

static void every_resident_byte_is_in_one_part(void **state)
{
    (void)state;
    uint32_t node = builder_node(&builder, 0, 0x1234);
    builder_mapped(&builder, MAPPED_AT, 8 * PAGE, node, 0);
    builder_mapped(&builder, FILE_AT, 4 * PAGE, 0, 0);
    builder_sample(&builder,
                   &(struct trace_sample){.time_ns = builder.now_ns, .live = 1, .tracer = PAGE});
    put_table(16);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct analysis *analysis;
    const struct resident *resident = read_account(trace, &analysis);
    const struct resident_moment *moment = &resident->moment[RESIDENT_LAST];
    assert_int_equal(resident->tables, 1);
    assert_int_equal(moment->rss, 30 * PAGE);
    assert_int_equal(moment->part[RESIDENT_HEAP], 7 * PAGE);
    assert_int_equal(moment->part[RESIDENT_TRACER], PAGE);
    assert_int_equal(moment->part[RESIDENT_MAPPED], 8 * PAGE);
    assert_int_equal(moment->part[RESIDENT_REST], 8 * PAGE); /* the half that nobody mapped */
    assert_int_equal(moment->part[RESIDENT_FILES], 2 * PAGE);
    assert_int_equal(moment->part[RESIDENT_LIBRARIES], 3 * PAGE);
    assert_int_equal(moment->part[RESIDENT_STACKS], PAGE);
    uint64_t sum = 0;
    for (int i = 0; i < RESIDENT_PARTS; i++)
        sum += moment->part[i];
    assert_int_equal(sum, moment->rss);
    assert_int_equal(resident->sites, 2);
    assert_int_equal(resident->site[0].node, node);
    assert_int_equal(resident->site[0].present[RESIDENT_LAST], 8 * PAGE);
    assert_int_equal(resident->site[0].mapped[RESIDENT_LAST], 8 * PAGE);
    analysis_destroy(analysis);
    trace_close(trace);
}

/* The kernel joins neighbours; the library's own pages are counted, so the rest is the program's.
 */
static void the_librarys_own_is_told_from_its_neighbour(void **state)
{
    (void)state;
    const struct builder_area areas[] = {
        {.kind = TRACE_AREA_OWN,
         .start = OWN_AT,
         .bytes = 16 * PAGE,
         .resident = 2 * PAGE,
         .is_counted = true},
        {.kind = TRACE_AREA_ANONYMOUS, .start = OWN_AT, .bytes = 32 * PAGE, .resident = 18 * PAGE}};
    builder_mapped(&builder, OWN_AT + 16 * PAGE, 16 * PAGE, 0, 0);
    builder_areas(&builder, TRACE_AREAS_END, areas, 2);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct analysis *analysis;
    const struct resident *resident = read_account(trace, &analysis);
    assert_int_equal(resident->moment[RESIDENT_LAST].part[RESIDENT_HEAP], 2 * PAGE);
    assert_int_equal(resident->moment[RESIDENT_LAST].part[RESIDENT_MAPPED], 16 * PAGE);
    analysis_destroy(analysis);
    trace_close(trace);
}

static void the_largest_table_is_kept_beside_the_last(void **state)
{
    (void)state;
    uint32_t node = builder_node(&builder, 0, 0x1234);
    builder_mapped(&builder, MAPPED_AT, 16 * PAGE, node, 0);
    put_table(2);
    builder.now_ns += 10;
    put_table(16);
    builder.now_ns += 10;
    builder_unmapped(&builder, MAPPED_AT + 4 * PAGE, 4 * PAGE);
    put_table(4);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct analysis *analysis;
    const struct resident *resident = read_account(trace, &analysis);
    assert_int_equal(resident->tables, 3);
    assert_int_equal(resident->moment[RESIDENT_LARGEST].part[RESIDENT_MAPPED], 16 * PAGE);
    assert_int_equal(resident->moment[RESIDENT_LAST].part[RESIDENT_MAPPED], 3 * PAGE);
    assert_int_equal(resident->moment[RESIDENT_LAST].part[RESIDENT_REST], PAGE);
    assert_int_equal(resident->site[0].mapped[RESIDENT_LARGEST], 16 * PAGE);
    assert_int_equal(resident->site[0].mapped[RESIDENT_LAST], 12 * PAGE);
    assert_int_equal(resident->unmapped, 1);
    analysis_destroy(analysis);
    trace_close(trace);
}

static void a_call_that_failed_counts_as_none(void **state)
{
    (void)state;
    uint32_t node = builder_node(&builder, 0, 0x1234);
    builder_mapped(&builder, MAPPED_AT, 16 * PAGE, node, 0);
    builder_unmapped(&builder, MAPPED_AT, 16 * PAGE);
    builder_mapped(&builder, MAPPED_AT, 16 * PAGE, node, TRACE_MAPPED_RESTORED);
    put_table(16);
    builder_end(&builder, TRACE_END_EXIT);
    struct trace *trace = open_good();
    struct analysis *analysis;
    const struct resident *resident = read_account(trace, &analysis);
    assert_int_equal(resident->calls, 1);
    assert_int_equal(resident->site[0].calls, 1);
    assert_int_equal(resident->moment[RESIDENT_LAST].part[RESIDENT_MAPPED], 16 * PAGE);
    analysis_destroy(analysis);
    trace_close(trace);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_agree_with_an_array_on_random_histories),
        TEST(mappings_come_back_in_whole_pages),
        TEST(what_cannot_be_is_a_warning_and_not_believed),
        TEST(a_table_without_its_last_record_is_none),
        TEST(every_resident_byte_is_in_one_part),
        TEST(the_librarys_own_is_told_from_its_neighbour),
        TEST(the_largest_table_is_kept_beside_the_last),
        TEST(a_call_that_failed_counts_as_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
