/* massif.c - the course of the heap as Valgrind's massif writes it, with the call stacks of the
 * peak and of the end. What massif calls extra is what the allocator holds beyond the bytes asked
 * for. */
#include <stdio.h>

#include "preload/mpress.h"
#include "tools/export/tree.h"

enum { SNAPSHOTS = 80, THRESHOLD_PERCENT = 1 };

/* One snapshot; tree NULL: without stacks. */
struct snapshot {
    uint64_t time_ns;
    uint64_t bytes;
    const struct tree *tree;
    const char *kind;
};

struct massif {
    const struct analysis *analysis;
    struct calls calls;
    unsigned snapshots;
};

static void print_words(const char *text)
{
    for (; *text != '\0'; text++)
        putchar((unsigned char)*text < ' ' ? '?' : *text);
}

static void print_header(const struct analysis *analysis)
{
    const struct trace_facts *facts = analysis->facts;
    fputs("desc: mpress " MPRESS_VERSION "\ncmd:", stdout);
    for (size_t i = 0; i < facts->arguments; i++) {
        putchar(' ');
        print_words(facts->argument[i]);
    }
    fputs("\ntime_unit: ms\n", stdout);
}

/* What the heap held beyond the bytes asked for at the last look before; 0: not known. */
static uint64_t find_extra(const struct analysis *analysis, uint64_t time_ns)
{
    uint64_t extra = 0;
    for (size_t i = 0; i < analysis->looks; i++) {
        const struct look *look = &analysis->look[i];
        if (look->sample.time_ns > time_ns)
            break;
        if (look->is_known)
            extra = look->resident_heap - look->asked;
    }
    return extra;
}

/* -- the tree --------------------------------------------------------------------------------- */

static bool is_below_threshold(const struct tree *tree, const struct branch *branch)
{
    return branch->value < tree->branch[0].value / 100 * THRESHOLD_PERCENT;
}

static void print_place(const struct massif *massif, const struct branch *branch)
{
    const struct frame *frame = branch->frame;
    printf("0x%llX: ", (unsigned long long)frame->ip);
    print_words(calls_get_name(&massif->calls, branch->function));
    fputs(frame->file != NULL ? " (" : " (in ", stdout);
    print_words(frame->file != NULL ? frame->file : frame->module);
    if (frame->file != NULL)
        printf(":%u", frame->line);
    fputs(")\n", stdout);
}

static void print_branch(const struct massif *massif, const struct tree *tree, uint32_t number,
                         int depth);

/* Children come largest first: what is behind the first small one is small as well. */
static void print_children(const struct massif *massif, const struct tree *tree,
                           const struct branch *branch, int depth)
{
    uint64_t small = 0;
    unsigned places = 0;
    for (uint32_t i = branch->first; i != 0; i = tree->branch[i].next) {
        if (!is_below_threshold(tree, &tree->branch[i])) {
            print_branch(massif, tree, i, depth);
            continue;
        }
        small += tree->branch[i].value;
        places++;
    }
    if (places != 0)
        printf("%*sn0: %llu in %u place%s below massif's threshold (%d.00%%)\n", depth, "",
               (unsigned long long)small, places, places == 1 ? "," : "s, all", THRESHOLD_PERCENT);
}

static unsigned count_lines(const struct tree *tree, const struct branch *branch)
{
    unsigned lines = 0;
    for (uint32_t i = branch->first; i != 0; i = tree->branch[i].next) {
        lines++;
        if (is_below_threshold(tree, &tree->branch[i]))
            break; /* one line for it and all behind it */
    }
    return lines;
}

static void print_branch(const struct massif *massif, const struct tree *tree, uint32_t number,
                         int depth)
{
    const struct branch *branch = &tree->branch[number];
    printf("%*sn%u: %llu ", depth, "", count_lines(tree, branch),
           (unsigned long long)branch->value);
    if (number == 0)
        puts("(heap allocation functions) malloc/new/new[], --alloc-fns, etc.");
    else
        print_place(massif, branch);
    print_children(massif, tree, branch, depth + 1);
}

/* -- the course ------------------------------------------------------------------------------- */

static void print_snapshot(struct massif *massif, const struct snapshot *snapshot)
{
    const struct analysis *analysis = massif->analysis;
    uint64_t after_ms = analysis_since_start(analysis, snapshot->time_ns) / 1000000;
    printf("#-----------\nsnapshot=%u\n#-----------\ntime=%llu\nmem_heap_B=%llu\n"
           "mem_heap_extra_B=%llu\nmem_stacks_B=0\nheap_tree=%s\n",
           massif->snapshots++, (unsigned long long)after_ms, (unsigned long long)snapshot->bytes,
           (unsigned long long)find_extra(analysis, snapshot->time_ns), snapshot->kind);
    if (snapshot->tree != NULL)
        print_branch(massif, snapshot->tree, 0, 0);
}

static void print_peak(struct massif *massif)
{
    struct tree tree;
    tree_init(&tree, &massif->calls, MEASURE_PEAK, true);
    print_snapshot(
        massif, &(struct snapshot){massif->analysis->peak_ns, tree.branch[0].value, &tree, "peak"});
    tree_fini(&tree);
}

static void print_end(struct massif *massif)
{
    struct tree tree;
    tree_init(&tree, &massif->calls, MEASURE_END, true);
    print_snapshot(massif, &(struct snapshot){massif->analysis->last_ns, tree.branch[0].value,
                                              &tree, "detailed"});
    tree_fini(&tree);
}

void export_massif(const struct export_source *source)
{
    const struct analysis *analysis = source->analysis;
    struct massif massif = {.analysis = analysis};
    uint64_t start_ns = analysis->timeline.start_ns;
    uint64_t column_ns = (analysis->last_ns - start_ns) / SNAPSHOTS;
    bool peak_is_told = false;
    calls_init(&massif.calls, source);
    print_header(analysis);
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        uint64_t time_ns = start_ns + i * column_ns;
        if (!peak_is_told && time_ns >= analysis->peak_ns) {
            print_peak(&massif);
            peak_is_told = true;
        }
        print_snapshot(&massif,
                       &(struct snapshot){time_ns, timeline_get(&analysis->timeline, i, SNAPSHOTS),
                                          NULL, "empty"});
    }
    if (!peak_is_told)
        print_peak(&massif);
    print_end(&massif);
    calls_fini(&massif.calls);
}
