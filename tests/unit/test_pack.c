/* test_pack.c - a packed trace says what the trace said, whatever happens to it or to its packer.
 */
#define _GNU_SOURCE
#include "tests/unit/built_trace.h"

#include <sys/resource.h>
#include <signal.h>

#include "tests/unit/trace_sum.h"
#include "tests/unit/trace_threads.h"
#include "tools/pack/packer.h"
#include "tools/pack/unpack.h"

/* -- packing ---------------------------------------------------------------------------------- */

static struct packer *open_packer(const char *path)
{
    struct trace_error error = {.text = ""};
    bool is_packed;
    struct packer *packer = packer_open(path, &is_packed, &error);
    if (packer == NULL)
        print_error("%s\n", error.text);
    assert_non_null(packer);
    return packer;
}

static int pack_found(struct packer *packer)
{
    struct frames *frames = frames_create();
    int packed;
    while ((packed = packer_step(packer, frames)) > 0)
        ;
    frames_destroy(frames);
    return packed;
}

static void pack(const char *path)
{
    struct packer *packer = open_packer(path);
    packer_scan(packer, true);
    assert_int_equal(pack_found(packer), 0);
    assert_int_equal(packer_complete(packer, false), 0);
    packer_close(packer);
}

static bool go_on(uint64_t done, uint64_t all, void *context)
{
    (void)done;
    (void)all;
    (void)context;
    return true;
}

static void unpack_and_compare(const char *path, struct bytes before)
{
    struct trace_error error;
    assert_int_equal(unpack_trace(path, go_on, NULL, &error), UNPACK_DONE);
    struct bytes after = read_file(path);
    assert_int_equal(after.count, before.count);
    assert_memory_equal(after.at, before.at, before.count);
    free(after.at);
}

static void record_threads(unsigned seed, unsigned steps, bool is_ended)
{
    struct threads_plan plan = {.seed = seed + 1,
                                .lanes = 1 + seed % 6,
                                .steps = steps,
                                .rounds = 1 + seed % 9,
                                .live_most = 200,
                                .foreign = seed % 3 * 50,
                                .end_thread = seed % 2 * 300,
                                .every = true};
    struct threads_truth truth;
    builder_info(&builder, TRACE_INFO_COMMAND, "a\0b", 4);
    builder_module(&builder, 1, 0, 0x1000, 0x2000, "/lib/x.so");
    builder_node(&builder, builder_node(&builder, 0, 0x1100), 0x1200);
    builder_thread(&builder, 2, TRACE_THREAD_NAME, 0, "a name");
    threads_record(&plan, &builder, &truth);
    threads_truth_fini(&truth);
    builder_failed(&builder, 2, 1, 100);
    if (is_ended)
        builder_end(&builder, TRACE_END_EXIT);
}

/* A trace with a lane of its own for many blocks: some of its frames are full. */
static char *write_long_trace(unsigned blocks)
{
    for (unsigned i = 0; i < blocks; i++) {
        for (unsigned n = 0; n < 50; n++)
            builder_alloc(&builder, 2, 0x10000 + (i * 50 + n) * 0x40, 30 + n % 7, 0, 0, 0);
        builder_close_block(&builder, 2);
    }
    builder_end(&builder, TRACE_END_EXIT);
    builder_header(&builder)->blocks = blocks + 2;
    return builder_write(&builder);
}

/* -- tests ------------------------------------------------------------------------------------ */

static void a_packed_trace_says_the_same_and_unpacks_to_the_same_bytes(void **state)
{
    for (unsigned seed = 0; seed < 24 / TEST_DIVISOR; seed++) {
        builder_fini(&builder);
        builder_init(&builder);
        record_threads(seed, 40 + seed * 200, seed % 4 != 0);
        if (seed % 5 == 4)
            builder.bytes -= 1000 * seed; /* cut */
        char *path = builder_write(&builder);
        struct bytes before = read_file(path);
        uint64_t said = read_sum(path);
        assert_int_not_equal(said, 0);
        pack(path);
        assert_int_equal(read_sum(path), said);
        struct bytes packed = read_file(path);
        assert_true(packed.count < before.count / 2);
        if (seed % 8 == 4 || seed % 8 == 5) /* it waits for the disk */
            unpack_and_compare(path, before);
        free(before.at);
        free(packed.at);
        remove_trace(path);
    }
    (void)state;
}

static void damaged_blocks_stay_what_they_are(void **state)
{
    char *path = write_long_trace(5);
    struct bytes trace = read_file(path);
    trace.at[TRACE_HEADER_BYTES + 1 * TRACE_BLOCK_BYTES + 100] ^= 1; /* a checksum */
    trace.at[TRACE_HEADER_BYTES + 2 * TRACE_BLOCK_BYTES] ^= 1;       /* a magic */
    write_file(path, trace.at, trace.count);
    uint64_t said = read_sum(path);
    pack(path);
    assert_int_equal(read_sum(path), said);
    unpack_and_compare(path, trace);
    free(trace.at);
    remove_trace(path);
    (void)state;
}

static void a_packed_file_cut_anywhere_is_read_to_there(void **state)
{
    record_threads(5, 4000, true);
    char *path = builder_write(&builder);
    bool is_complete;
    uint64_t events, all;
    read_all(path, &is_complete, &all);
    assert_true(is_complete);
    pack(path);
    struct bytes packed = read_file(path);
    uint64_t least = 0;
    size_t opened = 0;
    for (size_t bytes = 0; bytes < packed.count; bytes += 1000) {
        write_file(path, packed.at, bytes);
        opened += read_all(path, &is_complete, &events) != 0;
        assert_false(is_complete);
        assert_true(events >= least && events <= all);
        least = events;
    }
    assert_true(opened * 1000 + 2000 > packed.count);
    free(packed.at);
    remove_trace(path);
    (void)state;
}

static void no_flipped_bit_of_a_packed_file_goes_unseen(void **state)
{
    record_threads(3, 1500, true);
    char *path = builder_write(&builder);
    bool is_complete;
    uint64_t events;
    uint64_t said = read_all(path, &is_complete, &events);
    pack(path);
    struct bytes packed = read_file(path);
    for (size_t at = 0; at < packed.count; at += at < 500 ? 3 : 37 * TEST_DIVISOR) {
        packed.at[at] ^= (unsigned char)(1U << at % 8);
        write_file(path, packed.at, packed.count);
        /* Padding means nothing: all the same then. */
        uint64_t now = read_all(path, &is_complete, &events);
        assert_true(now == said || !is_complete);
        packed.at[at] ^= (unsigned char)(1U << at % 8);
    }
    free(packed.at);
    remove_trace(path);
    (void)state;
}

/* Frames that pass their checksums and lie all the same. */
static void a_frame_that_lies_is_damage_and_nothing_worse(void **state)
{
    record_threads(3, 3000, true);
    char *path = builder_write(&builder);
    pack(path);
    struct bytes packed = read_file(path);
    size_t at = sizeof(struct packed_header), skipped = 0;
    const struct packed_frame *found;
    uint64_t random = 88172645463325252U;
    while ((found = packed_next(packed.at, packed.count, &at, &skipped)) != NULL) {
        struct packed_frame *frame = (struct packed_frame *)(uintptr_t)found;
        const struct packed_frame kept = *frame;
        unsigned char *columns =
            (unsigned char *)frame + sizeof(*frame) + frame->blocks * sizeof(struct packed_block);
        for (unsigned i = 0; i < 40; i++) {
            random = mix(random, i);
            if (i % 2 == 0)
                frame->columns[random % COLUMNS].bytes += (uint32_t)(random >> 40);
            else if (frame->bytes > 0)
                columns[(random >> 8) % frame->bytes] ^= (unsigned char)(1U << (random & 7));
            frame->checksum = trace_checksum(columns, frame->bytes);
            frame->head_checksum = packed_head_checksum(frame);
            write_file(path, packed.at, packed.count);
            bool is_complete;
            uint64_t events;
            read_all(path, &is_complete, &events); /* must come back */
            *frame = kept;
        }
    }
    free(packed.at);
    remove_trace(path);
    (void)state;
}

/* As it was packed before the trace's header grew. */
static void write_packed_before(const char *path, const struct bytes *packed)
{
    struct packed_header header;
    unsigned char *shorter = malloc(packed->count);
    assert_non_null(shorter);
    memcpy(&header, packed->at, sizeof(header));
    header.header_bytes = PACKED_HEADER_LEAST;
    header.packed_bytes -= sizeof(header) - PACKED_HEADER_LEAST;
    header.head.version = TRACE_VERSION_OLDEST;
    header.checksum = packed_header_checksum(&header);
    memcpy(shorter, &header, PACKED_HEADER_LEAST);
    memcpy(shorter + PACKED_HEADER_LEAST, packed->at + sizeof(header),
           packed->count - sizeof(header));
    write_file(path, shorter, header.packed_bytes);
    free(shorter);
}

static void what_was_packed_with_a_shorter_header_is_read(void **state)
{
    struct trace_error error;
    record_threads(3, 1500, true);
    char *path = builder_write(&builder);
    uint64_t sum = read_sum(path);
    pack(path);
    struct bytes packed = read_file(path);
    write_packed_before(path, &packed);
    assert_true(read_sum(path) == sum);
    assert_int_equal(unpack_trace(path, go_on, NULL, &error), UNPACK_DONE);
    assert_true(read_sum(path) == sum);
    free(packed.at);
    remove_trace(path);
    (void)state;
}

/* Each lane has its own room for frames: a block that names another lane than its frame would make
 * that of many lanes out of one frame. */
static void a_block_of_another_lane_than_its_frame_is_damaged(void **state)
{
    record_threads(3, 3000, true);
    char *path = builder_write(&builder);
    pack(path);
    struct bytes packed = read_file(path);
    size_t at = sizeof(struct packed_header), skipped = 0;
    const struct packed_frame *found;
    while ((found = packed_next(packed.at, packed.count, &at, &skipped)) != NULL &&
           found->lane < TRACE_LANE_EVENTS)
        continue;
    assert_non_null(found);
    struct packed_frame *frame = (struct packed_frame *)(uintptr_t)found;
    struct packed_block *block = (struct packed_block *)(uintptr_t)packed_blocks(frame);
    block->header.lane ^= 1;
    frame->head_checksum = packed_head_checksum(frame);
    write_file(path, packed.at, packed.count);
    struct trace_error error;
    struct trace *trace = trace_open(path, &error);
    assert_non_null(trace);
    assert_non_null(strstr(trace_warning(trace, 0), "(bad lane)"));
    trace_close(trace);
    free(packed.at);
    remove_trace(path);
    (void)state;
}

static bool begins_with_zero(const char *path, unsigned block)
{
    struct bytes trace = read_file(path);
    bool is_zero = trace.at[TRACE_HEADER_BYTES + block * TRACE_BLOCK_BYTES] == 0;
    free(trace.at);
    return is_zero;
}

static void a_trace_is_whole_in_its_two_halves_and_its_readers_keep_theirs(void **state)
{
    char *path = write_long_trace(40);
    uint64_t said = read_sum(path);
    struct packer *packer = open_packer(path);
    packer_scan(packer, false);
    assert_int_equal(pack_found(packer), 0);
    assert_int_equal(packer->packed, 32);   /* two frames; the rest waits for another */
    assert_int_equal(read_sum(path), said); /* in both files */
    struct trace_error error;
    struct trace *reader = trace_open(path, &error);
    assert_int_equal(packer_punch(packer), 0);
    assert_false(begins_with_zero(path, 5));
    trace_close(reader);
    assert_int_equal(packer_punch(packer), 0);
    assert_true(begins_with_zero(path, 5));
    assert_int_equal(read_sum(path), said);
    packer_close(packer); /* as if it was killed */
    assert_int_equal(read_sum(path), said);
    pack(path);
    assert_int_equal(read_sum(path), said);
    char *packing = mapping_name_packing(path);
    assert_false(is_there(packing));
    free(packing);
    remove_trace(path);
    (void)state;
}

static void half_a_frame_at_the_end_is_passed_over_and_written_anew(void **state)
{
    char *path = write_long_trace(40);
    char *packing = mapping_name_packing(path);
    uint64_t said = read_sum(path);
    struct packer *packer = open_packer(path);
    packer_scan(packer, false);
    assert_int_equal(pack_found(packer), 0);
    packer->is_resumed = true;
    packer_close(packer);
    struct bytes part = read_file(packing);
    for (size_t cut = 0; cut < 600; cut += 100) {
        write_file(packing, part.at, part.count - cut);
        assert_int_equal(read_sum(path), said);
    }
    pack(path);
    assert_int_equal(read_sum(path), said);
    free(part.at);
    free(packing);
    remove_trace(path);
    (void)state;
}

static void what_is_packed_of_another_trace_is_left_alone(void **state)
{
    char *path = write_long_trace(3);
    char *packing = mapping_name_packing(path);
    uint64_t said = read_sum(path);
    write_file(packing, (const unsigned char *)"precious", 8);
    assert_int_equal(read_sum(path), said);
    struct trace_error error;
    bool is_packed;
    assert_null(packer_open(path, &is_packed, &error));
    assert_false(is_packed);
    assert_true(is_there(packing));
    free(packing);
    remove_trace(path);
    (void)state;
}

static void two_packers_are_never_at_one_trace(void **state)
{
    char *path = write_long_trace(3);
    struct packer *packer = open_packer(path);
    struct trace_error error;
    bool is_packed;
    assert_null(packer_open(path, &is_packed, &error));
    assert_non_null(strstr(error.text, "another process"));
    packer_close(packer);
    pack(path);
    assert_null(packer_open(path, &is_packed, &error));
    assert_true(is_packed);
    remove_trace(path);
    (void)state;
}

/* A limit on the size of files is met as a full disk is. */
static void a_full_disk_leaves_the_trace_as_it_was(void **state)
{
    record_threads(5, 9000, true);
    char *path = builder_write(&builder);
    char *packing = mapping_name_packing(path);
    uint64_t said = read_sum(path);
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    struct packer *packer = open_packer(path);
    packer_scan(packer, true);
    const struct rlimit small = {1500, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    int result = pack_found(packer);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_true(result < 0);
    assert_int_equal(read_sum(path), said);
    packer_close(packer);
    assert_false(is_there(packing));
    assert_int_equal(read_sum(path), said);
    free(packing);
    remove_trace(path);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_packed_with_a_shorter_header_is_read, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(a_packed_trace_says_the_same_and_unpacks_to_the_same_bytes,
                                        begin, finish),
        cmocka_unit_test_setup_teardown(damaged_blocks_stay_what_they_are, begin, finish),
        cmocka_unit_test_setup_teardown(a_packed_file_cut_anywhere_is_read_to_there, begin, finish),
        cmocka_unit_test_setup_teardown(no_flipped_bit_of_a_packed_file_goes_unseen, begin, finish),
        cmocka_unit_test_setup_teardown(a_frame_that_lies_is_damage_and_nothing_worse, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(a_block_of_another_lane_than_its_frame_is_damaged, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(
            a_trace_is_whole_in_its_two_halves_and_its_readers_keep_theirs, begin, finish),
        cmocka_unit_test_setup_teardown(half_a_frame_at_the_end_is_passed_over_and_written_anew,
                                        begin, finish),
        cmocka_unit_test_setup_teardown(what_is_packed_of_another_trace_is_left_alone, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(two_packers_are_never_at_one_trace, begin, finish),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_the_trace_as_it_was, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
