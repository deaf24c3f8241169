/* make_trace.c - `make_trace KIND FILE`: traces whose report is known beforehand.
 *
 * The "program" in them is this one: its stacks are addresses in the functions leaf, branch and
 * trunk below, so that symbols, files and lines can be looked up for real. */
#define _GNU_SOURCE
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/trace_builder.h"

enum { LANE = 2, OTHER_LANE = 3, KIB = 1024 };

/* -- the program that is pretended to have run ------------------------------------------------ */

static volatile int sink; /* work behind each call, so that none becomes a jump */

/* Return addresses into leaf (in bud, which is inlined there), branch and trunk. */
static uint64_t in_leaf, in_branch, in_trunk;

#define RETURN_ADDRESS ((uint64_t)(uintptr_t)__builtin_return_address(0))

static __attribute__((noinline)) void note(uint64_t *place)
{
    *place = RETURN_ADDRESS;
}

static inline __attribute__((always_inline)) void bud(int n)
{
    note(&in_leaf);
    sink = n;
}

static __attribute__((noinline)) void leaf(void)
{
    in_branch = RETURN_ADDRESS;
    bud(1);
    sink = 2;
}

static __attribute__((noinline)) void branch(void)
{
    in_trunk = RETURN_ADDRESS;
    leaf();
    sink = 3;
}

static __attribute__((noinline)) void trunk(void)
{
    branch();
    sink = 4;
}

struct stacks {
    uint32_t in_leaf;   /* trunk, branch, leaf */
    uint32_t in_branch; /* trunk, branch */
    uint32_t in_trunk;
};

/* A module record by hand: bias, start, end; the builder's own always carries the same build-id. */
static void add_module(struct builder *builder, const uint64_t numbers[3], const char *build_id,
                       const char *path)
{
    unsigned char payload[5000] = {0}; /* first the time and the last node: none yet */
    size_t at = 2;
    memcpy(payload + at, numbers, 3 * sizeof numbers[0]);
    at += 3 * sizeof numbers[0];
    payload[at++] = (unsigned char)strlen(build_id);
    memcpy(payload + at, build_id, strlen(build_id));
    at += strlen(build_id);
    memcpy(payload + at, path, strlen(path));
    builder_info(builder, TRACE_INFO_MODULE, payload, at + strlen(path));
}

static int add_own_module(struct dl_phdr_info *info, size_t bytes, void *context)
{
    (void)bytes;
    struct builder *builder = context;
    uint64_t end = 0;
    char path[4096];
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD && segment->p_vaddr + segment->p_memsz > end)
            end = segment->p_vaddr + segment->p_memsz;
    }
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length < 0 ? 0 : length] = '\0';
    add_module(builder, (uint64_t[3]){info->dlpi_addr, info->dlpi_addr, info->dlpi_addr + end}, "",
               path);
    return 1; /* the first one is the program */
}

static struct stacks add_stacks(struct builder *builder)
{
    static const char command[] = "./app\0--rows\0003";
    builder_info(builder, TRACE_INFO_COMMAND, command, sizeof command);
    builder_info(builder, TRACE_INFO_CWD, "/nowhere", 8);
    dl_iterate_phdr(add_own_module, builder);
    trunk();
    struct stacks stacks;
    stacks.in_trunk = builder_node(builder, 0, in_trunk);
    stacks.in_branch = builder_node(builder, stacks.in_trunk, in_branch);
    stacks.in_leaf = builder_node(builder, stacks.in_branch, in_leaf);
    return stacks;
}

/* -- kinds ------------------------------------------------------------------------------------ */

static void add_sample(struct builder *builder, uint64_t live, uint64_t rss)
{
    struct trace_sample sample = {.time_ns = builder->now_ns,
                                  .live = live,
                                  .live_objects = 1,
                                  .external = 10 * KIB,
                                  .cached = 5 * KIB,
                                  .dirty = 3 * KIB,
                                  .meta = 2 * KIB,
                                  .largest_free = 64 * KIB,
                                  .total_free = 100 * KIB,
                                  .rss = rss,
                                  .rss_anon = rss / 2};
    builder_info(builder, TRACE_INFO_SAMPLE, &sample, sizeof sample);
}

/* Classes of 16, 128, 256 and 1152 bytes, larger ones in pages; 999 calls of less than 100 ns and
 * one of 6 ms. */
static void add_heap(struct builder *builder)
{
    static const uint64_t classes[] = {4096, 16, 112, 128, 896};
    const uint64_t latency[] = {builder->now_ns,
                                40,
                                15,
                                64,
                                6000000,
                                trace_latency_bucket(98),
                                999,
                                trace_latency_bucket(6000000) - trace_latency_bucket(98),
                                1};
    unsigned char payload[128], *at = payload;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        at = trace_put_uvarint(at, classes[i]);
    builder_info(builder, TRACE_INFO_CLASSES, payload, (size_t)(at - payload));
    at = payload;
    for (size_t i = 0; i < sizeof latency / sizeof latency[0]; i++)
        at = trace_put_uvarint(at, latency[i]);
    builder_info(builder, TRACE_INFO_LATENCY, payload, (size_t)(at - payload));
}

/* 100 blocks of 1 KiB from leaf, of which some stay; 1 from branch, in force at the peak;
 * 50 temporary ones of 16 bytes from trunk; a realloc that grows. */
static void fill(struct builder *builder, uint64_t staying, uint64_t branch_bytes)
{
    struct stacks stacks = add_stacks(builder);
    add_heap(builder);
    builder_thread(builder, LANE, TRACE_THREAD_START, 4711, NULL);
    builder_thread(builder, LANE, TRACE_THREAD_NAME, 0, "worker");
    for (uint64_t i = 0; i < 100; i++)
        builder_alloc(builder, LANE, 0x100000 + i * KIB, KIB, stacks.in_leaf, 0, 0);
    builder_alloc(builder, LANE, 0x200000, branch_bytes, stacks.in_branch, 0, 0);
    add_sample(builder, 180 * KIB, 400 * KIB);
    builder_free(builder, LANE, 0x200000);
    for (uint64_t i = staying; i < 100; i++)
        builder_free(builder, LANE, 0x100000 + i * KIB);
    for (uint64_t i = 0; i < 50; i++) {
        builder_alloc(builder, LANE, 0x300000, 16, stacks.in_trunk, 0, 0);
        builder_free(builder, LANE, 0x300000);
    }
    builder_alloc(builder, LANE, 0x400000, 100, stacks.in_trunk, 0, 0);
    builder_realloc(builder, LANE, 0x400000, 0x500000, 200, stacks.in_trunk);
    builder_free(builder, LANE, 0x500000);
    add_sample(builder, 8 * KIB, 100 * KIB);
}

static void fill_leaky(struct builder *builder)
{
    fill(builder, 7, 64 * KIB);
}

/* The same program later: more stays, the peak is smaller. */
static void fill_later(struct builder *builder)
{
    fill(builder, 12, 32 * KIB);
}

static void fill_clean(struct builder *builder)
{
    struct stacks stacks = add_stacks(builder);
    builder_alloc(builder, LANE, 0x100000, 10, stacks.in_leaf, 0, 0);
    builder_sync(builder, LANE);
    builder_sync(builder, OTHER_LANE);
    builder_free(builder, OTHER_LANE, 0x100000);
}

static void fill_changed_module(struct builder *builder)
{
    add_module(builder, (uint64_t[3]){0x10000, 0x10000, 0x20000}, "\1\2\3\4", "/bin/sh");
    uint32_t stack = builder_node(builder, 0, 0x15001);
    builder_alloc(builder, LANE, 0x100000, 10, stack, 0, 0);
}

/* Texts that a terminal or a browser would obey, sizes that overflow when they are added up. */
static void fill_hostile(struct builder *builder)
{
    static const char command[] =
        "\033[31mred\007\0\xff\xfe\0</script><script>document.title=1</script>";
    builder_info(builder, TRACE_INFO_COMMAND, command, sizeof command);
    builder_module(builder, 0, UINT64_MAX, 0, UINT64_MAX,
                   "/\033]0;title\007/<img src=x onerror=document.title=2>\xff");
    uint32_t stack = builder_node(builder, 0, UINT64_MAX);
    for (uint64_t i = 1; i <= 5; i++)
        builder_alloc(builder, LANE, i << 20, INT64_MAX - i, stack, 30, 0);
    builder_free(builder, LANE, UINT64_C(1) << 20);
    builder_free(builder, LANE, UINT64_C(0xdead0000));
    builder_thread(builder, LANE, TRACE_THREAD_NAME, 0, "\033[2J");
    add_sample(builder, UINT64_MAX, UINT64_MAX);
}

/* Three marks with a count, 1000 bytes an object; another thread frees half of the first ones. */
static void fill_habits(struct builder *builder)
{
    struct stacks stacks = add_stacks(builder);
    builder_thread(builder, LANE, TRACE_THREAD_START, 4711, NULL);
    builder_thread(builder, LANE, TRACE_THREAD_NAME, 0, "maker");
    for (uint64_t i = 0; i < 300; i++) {
        char label[32];
        builder_alloc(builder, LANE, 0x100000 + i * KIB, 1000, stacks.in_leaf, 0, 0);
        builder_alloc(builder, LANE, 0x900000, 24, stacks.in_trunk, 0, 0);
        builder_free(builder, LANE, 0x900000);
        snprintf(label, sizeof label, "loaded count=%u", (unsigned)i + 1);
        if (i % 100 == 99)
            builder_mark(builder, label);
    }
    builder_sync(builder, LANE);
    builder_thread(builder, OTHER_LANE, TRACE_THREAD_START, 4712, NULL);
    builder_thread(builder, OTHER_LANE, TRACE_THREAD_NAME, 0, "eater");
    for (uint64_t i = 0; i < 50; i++) {
        builder_sync(builder, OTHER_LANE);
        builder_free(builder, OTHER_LANE, 0x100000 + i * KIB);
    }
    builder_alloc(builder, OTHER_LANE, 0x1000000, 1024 * KIB, stacks.in_branch, 0, TRACE_ZEROED);
    builder_unwritten(builder, TRACE_UNWRITTEN_ALIVE, stacks.in_branch, 1024 * KIB, 900 * KIB,
                      12 * KIB);
}

/* Enough to read for a while. */
static void fill_long(struct builder *builder)
{
    struct stacks stacks = add_stacks(builder);
    for (uint64_t i = 0; i < 400 * KIB; i++) {
        uint64_t address = 0x100000 + i % KIB * KIB;
        builder_alloc(builder, LANE, address, 16 + i % 100, stacks.in_leaf, 0, 0);
        builder_free(builder, LANE, address);
    }
}

static void fill_sampled(struct builder *builder)
{
    builder_header(builder)->sample_period = KIB;
    fill_leaky(builder);
}

/* 30,000 blocks for which a class of 304 would be better than the one of 320, and one of 384 worse.
 */
static void fill_wasteful(struct builder *builder)
{
    struct stacks stacks = add_stacks(builder);
    for (uint64_t i = 0; i < 30000; i++)
        builder_alloc(builder, LANE, 0x100000 + i * 320, 300, stacks.in_leaf, 0, 0);
}

/* A minute of samples with 200 KiB resident; in every third the heap told nothing. */
static void fill_untold(struct builder *builder)
{
    for (unsigned i = 0; i < 60; i++) {
        struct trace_sample untold = {.time_ns = builder->now_ns, .rss = 400 * KIB};
        if (i % 3 == 2)
            builder_info(builder, TRACE_INFO_SAMPLE, &untold, sizeof untold);
        else
            add_sample(builder, 180 * KIB, 400 * KIB);
        builder->now_ns += 1000 * 1000 * 1000;
    }
}

static void cut(const char *path, long bytes)
{
    if (truncate(path, bytes) != 0)
        exit(1);
}

/* The last ones are told of by the end record alone: there was no room for more. */
static void fill_dropping(struct builder *builder)
{
    fill_leaky(builder);
    builder_dropped(builder, 2, 2);
    builder->dropped += 700;
}

/* -- main ------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*fill)(struct builder *builder);
    int end;     /* enum trace_end_reason; 0: it was killed */
    long cut_to; /* bytes of the file that stay; 0: all */
} kinds[] = {
    {"leaky", fill_leaky, TRACE_END_EXIT, 0},
    {"later", fill_later, TRACE_END_EXIT, 0},
    {"killed", fill_leaky, 0, 0},
    {"clean", fill_clean, TRACE_END_EXIT, 0},
    {"empty", NULL, TRACE_END_EXIT, 0},
    {"changed-module", fill_changed_module, TRACE_END_EXIT, 0},
    {"hostile", fill_hostile, TRACE_END_EXIT, 0},
    {"habits", fill_habits, TRACE_END_EXIT, 0},
    {"long", fill_long, TRACE_END_EXIT, 0},
    {"sampled", fill_sampled, TRACE_END_EXIT, 0},
    {"wasteful", fill_wasteful, TRACE_END_EXIT, 0},
    {"untold", fill_untold, TRACE_END_EXIT, 0},
    {"dropping", fill_dropping, TRACE_END_EXIT, 0},
    {"early", fill_leaky, TRACE_END_DISK, 0},
    {"stopped", fill_leaky, TRACE_END_STOPPED, 0},
    {"cut-header", fill_leaky, TRACE_END_EXIT, 100},
    {"cut-block", fill_leaky, TRACE_END_EXIT, TRACE_HEADER_BYTES + 300},
};

static void make(size_t kind, const char *path)
{
    static struct builder builder;
    builder_init(&builder);
    if (kinds[kind].fill != NULL)
        kinds[kind].fill(&builder);
    if (kinds[kind].end != 0)
        builder_end(&builder, (enum trace_end_reason)kinds[kind].end);
    char *made = builder_write(&builder);
    if (rename(made, path) != 0) {
        perror(path);
        exit(1);
    }
    free(made);
    builder_fini(&builder);
    if (kinds[kind].cut_to != 0)
        cut(path, kinds[kind].cut_to);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(argv[1], kinds[i].name) == 0) {
            make(i, argv[2]);
            return 0;
        }
    }
    fputs("make_trace KIND FILE\n", stderr);
    return 2;
}
