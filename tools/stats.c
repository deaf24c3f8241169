/* stats.c - `mpress stats`: what the heap of a running process holds, and what its threads did. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/remote.h"
#include "tools/stats_pressure.h"
#include "tools/stats_txns.h"
#include "tools/units.h"
#include "tools/values.h"

static const char help[] =
    "Usage: mpress stats [OPTION]... PID\n"
    "\n"
    "Prints what the heap of a process holds that runs under libmpress.so, how near\n"
    "its limits are and what was done about that, and what its threads did: they\n"
    "count all the time, whether a trace runs or not. The process answers at its\n"
    "next allocation.\n"
    "\n"
    "      --json         as JSON, with all threads and size classes\n"
    "      --top N        so many threads, size classes, names (default: 10)\n"
    "      --wait TIME    give up when it has not allocated by then: 10s, 1m\n"
    "  -h, --help         this text\n"
    "\n"
    "Threads count in slow calls only, those that their magazines cannot serve. In\n"
    "between only the difference of what was taken and given is seen: both are least\n"
    "numbers, their difference is exact for blocks of up to 32 KiB. A refill is an\n"
    "allocation that found its magazine empty, a flush a free that found it full.\n"
    "Blocks above 256 KiB are in the sums of the heap only.\n"
    "Exit status: 0, 1 on failure, 2 for a wrong command line.\n";

struct request {
    uint64_t wait_ns;
    unsigned top;
    bool json;
};

static int take_option(void *request_, int option)
{
    struct request *request = request_;
    if (option == 'j')
        request->json = true;
    else if (option == 't')
        return cli_read_number("stats", "--top", 1000, &request->top);
    else
        return cli_read_time("stats", "--wait", &request->wait_ns);
    return CLI_GO_ON;
}

/* -- its resident memory ---------------------------------------------------------------------- */

/* As the system has it now: they add up to the RSS. */
struct resident_now {
    uint64_t anonymous, files, shared; /* 0: not known */
};

static void read_resident(pid_t pid, struct resident_now *resident)
{
    char path[64], line[256];
    unsigned long long kib;
    *resident = (struct resident_now){0};
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "RssAnon: %llu kB", &kib) == 1)
            resident->anonymous = kib * 1024;
        else if (sscanf(line, "RssFile: %llu kB", &kib) == 1)
            resident->files = kib * 1024;
        else if (sscanf(line, "RssShmem: %llu kB", &kib) == 1)
            resident->shared = kib * 1024;
    }
    if (file != NULL)
        fclose(file);
}

static uint64_t add_heap(const struct mpress_stats *heap)
{
    return heap->live + heap->external + heap->cached + heap->dirty + heap->meta;
}

/* The heap's share of anonymous memory; what it holds but nobody ever touched is not resident. */
static uint64_t get_heap_share(const struct mpress_stats *heap, const struct resident_now *resident)
{
    uint64_t sum = add_heap(heap);
    return sum < resident->anonymous ? sum : resident->anonymous;
}

/* -- text ------------------------------------------------------------------------------------- */

struct cell {
    char at[16];
};

/* Up to 6 characters. */
static struct cell count(uint64_t n)
{
    static const char letters[] = " kMGTPE";
    struct cell cell;
    double value = (double)n;
    unsigned letter = 0;
    if (n < 100000) {
        snprintf(cell.at, sizeof cell.at, "%llu", (unsigned long long)n);
        return cell;
    }
    for (; value >= 999.5; letter++)
        value /= 1000;
    snprintf(cell.at, sizeof cell.at, value < 9.95 ? "%.1f %c" : "%.0f %c", value, letters[letter]);
    return cell;
}

static struct cell difference(uint64_t taken, uint64_t given)
{
    struct cell cell;
    bool is_less = taken < given;
    struct cell number = count(is_less ? given - taken : taken - given);
    snprintf(cell.at, sizeof cell.at, "%s%.12s", is_less ? "-" : "", number.at);
    return cell;
}

static void print_row(const char *name, uint64_t bytes, const char *meaning)
{
    printf("  %-10s %10s   %s\n", name, units_bytes(bytes).at, meaning);
}

static void print_heap(pid_t pid, const struct mpress_stats *heap)
{
    printf("PROCESS %d\n", (int)pid);
    print_row("live", heap->live, units_plural(heap->live_objects, "block").at);
    print_row("external", heap->external, "free objects in partly used slabs");
    print_row("cached", heap->cached, "free objects in magazines and depots");
    print_row("dirty", heap->dirty, "free spans not given back yet");
    print_row("meta", heap->meta, "bookkeeping");
    print_row("heap", add_heap(heap), "the sum of these");
}

static void print_resident(const struct mpress_stats *heap, const struct resident_now *resident)
{
    uint64_t share = get_heap_share(heap, resident);
    puts("\nRESIDENT MEMORY  of the whole process, now");
    print_row("heap", share, "at most: what was never touched is not resident");
    print_row("other", resident->anonymous - share,
              "stacks, libraries' data, the program's own mmap");
    print_row("files", resident->files, "code and mapped files");
    print_row("shared", resident->shared, "shared memory");
    print_row("RSS", resident->anonymous + resident->files + resident->shared, "the sum of these");
}

static void print_strategies(const struct control_stats *stats)
{
    puts("\nSTRATEGIES  what each is worth so far");
    puts("  name          on      runs      saved       kept       time");
    for (uint64_t i = 0; i < stats->strategies; i++) {
        const struct mpress_strategy *strategy = &stats->strategy[i];
        printf("  %-12s %3s %9s %10s %10s %10s\n", strategy->name, strategy->is_on ? "yes" : "no",
               count(strategy->runs).at,
               strategy->saved == 0 ? "-" : units_bytes(strategy->saved).at,
               strategy->kept == 0 ? "-" : units_bytes(strategy->kept).at,
               strategy->ns == 0 ? "-" : units_duration(strategy->ns).at);
    }
}

/* Nothing of the process reaches a terminal unfiltered. */
static void make_name(const struct mpress_thread *thread, char name[24])
{
    if (thread->id == 0) {
        snprintf(name, 24, "%s ended", count(thread->threads).at);
        return;
    }
    snprintf(name, 24, "%.15s", thread->name);
    for (char *at = name; *at != '\0'; at++) {
        if (*at < ' ' || *at == 127)
            *at = '?';
    }
}

static void print_thread(const struct mpress_thread *thread)
{
    char name[24];
    make_name(thread, name);
    printf("  %-15s %7llu %7s %7s %7s %7s %7s %9s\n", name, (unsigned long long)thread->id,
           count(thread->slow_calls).at, count(thread->taken).at,
           difference(thread->taken, thread->given).at, count(thread->refills).at,
           count(thread->flushes).at, units_bytes(thread->cached).at);
}

static int by_slow_calls(const void *a, const void *b)
{
    const struct mpress_thread *left = a, *right = b;
    return (left->slow_calls < right->slow_calls) - (left->slow_calls > right->slow_calls);
}

static void print_threads(struct control_stats *stats, unsigned top)
{
    printf("\nTHREADS  %s, those with most slow calls first\n",
           units_plural(stats->threads - 1, "thread").at);
    puts("  name                 id    slow   taken  -given refills flushes    cached");
    qsort(stats->thread, stats->threads, sizeof stats->thread[0], by_slow_calls);
    for (uint64_t i = 0; i < stats->threads && i < top; i++)
        print_thread(&stats->thread[i]);
}

static int by_live(const void *a, const void *b)
{
    const struct mpress_class *left = a, *right = b;
    uint64_t l = left->live_objects * left->bytes, r = right->live_objects * right->bytes;
    return (l < r) - (l > r);
}

static void print_classes(struct control_stats *stats, unsigned top)
{
    puts("\nSIZE CLASSES  those that hold most first");
    puts("   bytes      live  blocks  cached   taken  -given refills flushes  external");
    qsort(stats->size_class, stats->classes, sizeof stats->size_class[0], by_live);
    for (uint64_t i = 0; i < stats->classes && i < top; i++) {
        const struct mpress_class *class = &stats->size_class[i];
        if (class->live_objects == 0)
            break;
        printf("  %6llu %9s %7s %7s %7s %7s %7s %7s %9s\n", (unsigned long long)class->bytes,
               units_bytes(class->live_objects * class->bytes).at, count(class->live_objects).at,
               count(class->cached_objects).at, count(class->taken).at,
               difference(class->taken, class->given).at, count(class->refills).at,
               count(class->flushes).at, units_bytes(class->external).at);
    }
}

static int print_text(pid_t pid, struct control_stats *stats, const struct request *request)
{
    struct resident_now resident;
    read_resident(pid, &resident);
    print_heap(pid, &stats->heap);
    print_resident(&stats->heap, &resident);
    print_strategies(stats);
    stats_pressure_print(stats);
    stats_txns_print(&stats->txns, request->top);
    print_threads(stats, request->top);
    print_classes(stats, request->top);
    return cli_finish(CLI_OK);
}

/* -- JSON ------------------------------------------------------------------------------------- */

static json_t *make_heap(const struct mpress_stats *heap)
{
    json_t *object = json_object();
    values_set_number(object, "live", heap->live);
    values_set_number(object, "live_objects", heap->live_objects);
    values_set_number(object, "external", heap->external);
    values_set_number(object, "cached", heap->cached);
    values_set_number(object, "dirty", heap->dirty);
    values_set_number(object, "meta", heap->meta);
    values_set_number(object, "rss", heap->rss);
    return object;
}

static json_t *make_resident(pid_t pid, const struct mpress_stats *heap)
{
    struct resident_now resident;
    read_resident(pid, &resident);
    uint64_t share = get_heap_share(heap, &resident);
    json_t *object = json_object();
    values_set_number(object, "heap", share);
    values_set_number(object, "other", resident.anonymous - share);
    values_set_number(object, "files", resident.files);
    values_set_number(object, "shared", resident.shared);
    values_set_number(object, "rss", resident.anonymous + resident.files + resident.shared);
    return object;
}

static json_t *make_thread(const struct mpress_thread *thread)
{
    json_t *object = json_object();
    values_set_number(object, "id", thread->id);
    values_set_text(object, "name", thread->id == 0 ? NULL : thread->name);
    values_set_number(object, "threads", thread->threads);
    values_set_number(object, "slow_calls", thread->slow_calls);
    values_set_number(object, "taken", thread->taken);
    values_set_number(object, "given", thread->given);
    values_set_number(object, "refills", thread->refills);
    values_set_number(object, "flushes", thread->flushes);
    values_set_number(object, "cached_objects", thread->cached_objects);
    values_set_number(object, "cached", thread->cached);
    return object;
}

static json_t *make_class(const struct mpress_class *class)
{
    json_t *object = json_object();
    values_set_number(object, "bytes", class->bytes);
    values_set_number(object, "live_objects", class->live_objects);
    values_set_number(object, "cached_objects", class->cached_objects);
    values_set_number(object, "external", class->external);
    values_set_number(object, "taken", class->taken);
    values_set_number(object, "given", class->given);
    values_set_number(object, "refills", class->refills);
    values_set_number(object, "flushes", class->flushes);
    return object;
}

static json_t *make_strategy(const struct mpress_strategy *strategy)
{
    json_t *object = json_object();
    values_set_text(object, "name", strategy->name);
    json_object_set_new(object, "on", json_boolean(strategy->is_on));
    values_set_number(object, "runs", strategy->runs);
    values_set_number(object, "saved", strategy->saved);
    values_set_number(object, "kept", strategy->kept);
    values_set_number(object, "ns", strategy->ns);
    return object;
}

static int print_json(pid_t pid, const struct control_stats *stats)
{
    json_t *root = json_object(), *threads = json_array(), *classes = json_array();
    json_t *strategies = json_array();
    values_set_text(root, "schema", "mpress-stats/1");
    values_set_number(root, "pid", (uint64_t)pid);
    json_object_set_new(root, "heap", make_heap(&stats->heap));
    json_object_set_new(root, "resident", make_resident(pid, &stats->heap));
    for (uint64_t i = 0; i < stats->strategies; i++)
        json_array_append_new(strategies, make_strategy(&stats->strategy[i]));
    json_object_set_new(root, "strategies", strategies);
    json_object_set_new(root, "pressure", stats_pressure_json(stats));
    json_object_set_new(root, "transactions", stats_txns_json(&stats->txns));
    for (uint64_t i = 1; i < stats->threads; i++)
        json_array_append_new(threads, make_thread(&stats->thread[i]));
    json_object_set_new(root, "threads", threads);
    json_object_set_new(root, "ended", make_thread(&stats->thread[0]));
    for (uint64_t i = 0; i < stats->classes; i++)
        json_array_append_new(classes, make_class(&stats->size_class[i]));
    json_object_set_new(root, "size_classes", classes);
    return values_print(root, 0);
}

/* -- both ------------------------------------------------------------------------------------- */

/* What came is another process's: its counts are only believed within our arrays. */
static bool is_sound(struct control_stats *stats)
{
    if (stats->threads == 0 || stats->threads > CONTROL_THREADS ||
        stats->classes > CONTROL_CLASSES || stats->strategies > CONTROL_STRATEGIES)
        return false;
    for (uint64_t i = 0; i < stats->strategies; i++) {
        struct mpress_strategy *strategy = &stats->strategy[i];
        strategy->name[sizeof strategy->name - 1] = '\0';
        if (strspn(strategy->name, "abcdefghijklmnopqrstuvwxyz") != strlen(strategy->name))
            return false;
    }
    for (uint64_t i = 0; i < stats->threads; i++)
        stats->thread[i].name[sizeof stats->thread[i].name - 1] = '\0';
    return stats_pressure_is_sound(stats) && stats_txns_are_sound(&stats->txns);
}

static int print(struct remote *remote, const struct request *request, struct control_stats *stats)
{
    const struct remote_request ask = {.operation = CONTROL_STATS,
                                       .text = "",
                                       .wait_ns = request->wait_ns,
                                       .reply = stats,
                                       .reply_bytes = sizeof *stats};
    int status = remote_ask(remote, &ask);
    if (status != CLI_GO_ON)
        return status;
    if (remote->block.error != 0 || !is_sound(stats)) {
        cli_say("process %d has no numbers: %s", (int)remote->pid, strerror(remote->block.error));
        return CLI_FAILED;
    }
    return request->json ? print_json(remote->pid, stats) : print_text(remote->pid, stats, request);
}

int stats_main(int argc, char **argv)
{
    static const struct option names[] = {{"json", no_argument, NULL, 'j'},
                                          {"top", required_argument, NULL, 't'},
                                          {"wait", required_argument, NULL, 'w'},
                                          CLI_HELP,
                                          {NULL, 0, NULL, 0}};
    const struct cli_options options = {"stats", help, ":h", names, take_option};
    struct request request = {.top = 10};
    struct remote remote;
    pid_t pid = 0;
    int status = cli_read_options(&options, argc, argv, &request);
    if (status == CLI_GO_ON)
        status = cli_read_process("stats", argc, argv, &pid);
    if (status == CLI_GO_ON)
        status = cli_refuse_more("stats", argc, argv);
    if (status == CLI_GO_ON)
        status = remote_open(&remote, pid);
    if (status != CLI_GO_ON)
        return status;
    struct control_stats *stats = calloc(1, sizeof *stats);
    if (stats == NULL)
        abort();
    status = print(&remote, &request, stats);
    free(stats);
    remote_close(&remote);
    return status;
}
