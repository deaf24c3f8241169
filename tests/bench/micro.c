/* micro.c - bench_micro [--scale F] PATTERN: the time of one operation of a pattern.
 *
 * Passes are repeated for a third of a second, at least three and at most fifty; printed as a JSON
 * line are the least and the median, and the resident memory at the end and at its peak. */
#include "tests/bench/micro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

enum { PASSES_LEAST = 3, PASSES_MOST = 50 };

static const struct micro_pattern *const lists[] = {micro_pairs, micro_batches, micro_threads};

static const struct micro_pattern *find_pattern(const char *name)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        for (const struct micro_pattern *pattern = lists[i]; pattern->name != NULL; pattern++) {
            if (strcmp(pattern->name, name) == 0)
                return pattern;
        }
    }
    bench_die("there is no pattern '%s' (see --list)", name);
}

static void list_patterns(void)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        for (const struct micro_pattern *pattern = lists[i]; pattern->name != NULL; pattern++)
            printf("%-16s %s\n", pattern->name, pattern->operation);
    }
}

/* Keeps times[] sorted. */
static void insert_time(double *times, int count, double ns)
{
    int at = count;
    for (; at > 0 && times[at - 1] > ns; at--)
        times[at] = times[at - 1];
    times[at] = ns;
}

static void run_pattern(const struct micro_pattern *pattern, double scale)
{
    double times[PASSES_MOST];
    size_t operations = (size_t)((double)pattern->operations * scale) + 1;
    int passes = 0;
    double end = bench_now_ns() + 333e6 * scale;
    while (passes < PASSES_LEAST || (passes < PASSES_MOST && bench_now_ns() < end)) {
        insert_time(times, passes, pattern->pass(operations, pattern->argument));
        passes++;
    }
    printf("{\"pattern\": \"%s\", \"ns\": %.3f, \"median_ns\": %.3f, \"passes\": %d, "
           "\"rss_mib\": %.2f, \"peak_mib\": %.2f}\n",
           pattern->name, times[0], times[passes / 2], passes,
           (double)bench_rss_bytes() / (double)BENCH_MIB,
           (double)bench_peak_bytes() / (double)BENCH_MIB);
}

int main(int argc, char **argv)
{
    static char line_buffer[BUFSIZ];
    setvbuf(stdout, line_buffer, _IOFBF, sizeof(line_buffer));
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list_patterns();
        return 0;
    }
    double scale = 1;
    if (argc == 4 && strcmp(argv[1], "--scale") == 0)
        scale = bench_fraction(argv[1], argv[2]);
    else if (argc != 2 || argv[1][0] == '-')
        bench_die("usage: bench_micro --list | [--scale F] PATTERN");
    run_pattern(find_pattern(argv[argc - 1]), scale);
    return 0;
}
