/* make_seeds.c - make_seeds FOLDER: a corpus for fuzz_reader out of traces of the model of threads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/trace_threads.h"

static void put_block(FILE *out, const unsigned char *block, size_t bytes)
{
    struct trace_block_header header;
    memcpy(&header, block, sizeof(header));
    if (header.used != 0)
        bytes = header.used;
    fputc((int)((header.lane & 255) | (header.lane == TRACE_LANE_TIMELINE)), out); /* 255 */
    fputc((int)(bytes & 255), out);
    fputc((int)(bytes >> 8), out);
    fwrite(block + sizeof(header), 1, bytes, out);
}

static int write_seed(const char *folder, unsigned number, const struct builder *builder)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/seed-%u", folder, number);
    FILE *out = fopen(path, "wb");
    if (out == NULL) {
        perror(path);
        return 1;
    }
    fputc((int)(number & 15), out);
    for (size_t at = TRACE_HEADER_BYTES; at < builder->bytes; at += TRACE_BLOCK_BYTES)
        put_block(out, builder->image + at, 0);
    return fclose(out) != 0;
}

/* Two lost blocks at addresses of the model. */
static void add_look(struct builder *builder)
{
    static const unsigned char entries[] = {0x80, 0x80, 0x02, 0x0b};
    const struct trace_leaks leaks = {.pause_ns = 1};
    builder_info(builder, TRACE_INFO_LOST, entries, sizeof(entries));
    builder_info(builder, TRACE_INFO_LEAKS, &leaks, sizeof(leaks));
}

static void add_txn(struct builder *builder, unsigned lane, enum trace_other_kind kind,
                    uint64_t number, uint64_t a, uint64_t b)
{
    static const size_t fields[] = {3, 3, 0, 1, 6, 1, 0};
    const uint64_t values[6] = {a, b, 4, 5, 1, 2};
    builder_txn(builder, lane, kind, number, values, fields[kind - TRACE_TXN_BEGIN],
                kind == TRACE_TXN_BEGIN ? "request" : NULL);
}

/* A child that commits, a mark, a rollback, one that stays open; of two threads if there are. */
static void add_txns(struct builder *builder, unsigned number)
{
    unsigned lane = 2 + (number % 6 > 0);
    add_txn(builder, 2, TRACE_TXN_BEGIN, 1, 0, 1);
    add_txn(builder, 2, TRACE_TXN_ALLOC, 1, 1, 100);
    add_txn(builder, 2, TRACE_TXN_SAVE, 1, 0, 0);
    builder_sync(builder, lane);
    add_txn(builder, lane, TRACE_TXN_ADOPT, 1, 0, 0);
    add_txn(builder, lane, TRACE_TXN_BEGIN, 2, 1, 1);
    add_txn(builder, lane, TRACE_TXN_ENTER, 2, 1024, 0);
    builder_alloc(builder, lane, 0x70000, 40, 1, 0, 0);
    for (unsigned i = 0; i < number % 5; i++)
        add_txn(builder, lane, TRACE_TXN_ALLOC, 2, 1, 10);
    add_txn(builder, lane, TRACE_TXN_ENTER, 0, 0, 0);
    add_txn(builder, lane, TRACE_TXN_END, 2, number % 3, number % 5);
    add_txn(builder, lane, TRACE_TXN_BACK, 1, number % 2, 0);
    if (number % 2 == 0)
        add_txn(builder, lane, TRACE_TXN_END, 1, number % 3, 1);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("make_seeds FOLDER\n", stderr);
        return 2;
    }
    static struct builder builder;
    for (unsigned number = 0; number < 48; number++) {
        struct threads_plan plan = {.seed = number + 1,
                                    .lanes = 1 + number % 6,
                                    .steps = 40 + number * 20,
                                    .rounds = 1 + number % 9,
                                    .live_most = 1 + number % 20,
                                    .foreign = number % 3 * 50,
                                    .end_thread = number % 2 * 300,
                                    .every = number % 4 == 0};
        struct threads_truth truth;
        builder_init(&builder);
        builder.has_timeline = number % 3 == 0;
        builder.is_near = number % 4 == 1;
        builder_info(&builder, TRACE_INFO_COMMAND, "a\0b", 4);
        builder_module(&builder, 1, 0, 0x1000, 0x2000, "/lib/x.so");
        builder_mark(&builder, "mark");
        builder_mapped(&builder, 0x10000, 0x8000, 1, 0);
        builder_unmapped(&builder, 0x12000, 0x1000);
        const struct builder_area areas[] = {
            {.kind = TRACE_AREA_OWN, .start = 0x4000, .bytes = 0x2000},
            {.kind = TRACE_AREA_ANONYMOUS, .start = 0x4000, .bytes = 0x20000, .resident = 0x9000},
            {.kind = TRACE_AREA_FILE, .start = 0x90000, .bytes = 0x5000, .name = "/lib/x.so"}};
        builder_areas(&builder, TRACE_AREAS_MARK, areas, 3);
        builder_node(&builder, builder_node(&builder, 0, 0x1100), 0x1200);
        builder_unwritten(&builder, number % 2, 1, 4096 * number, 4096 * (number / 2), number % 2);
        threads_record(&plan, &builder, &truth);
        if (number % 8 == 0)
            add_txns(&builder, number);
        builder_failed(&builder, 2, 1, 100);
        builder_dropped(&builder, 2, 3);
        add_look(&builder);
        const struct trace_pressure pressure = {.what = TRACE_PRESSURE_ACTION, .action = "trim"};
        builder_info(&builder, TRACE_INFO_PRESSURE, &pressure, sizeof(pressure));
        builder_end(&builder, TRACE_END_EXIT);
        threads_truth_fini(&truth);
        int failed = write_seed(argv[1], number, &builder);
        builder_fini(&builder);
        if (failed)
            return 1;
    }
    return 0;
}
