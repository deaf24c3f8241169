/* savings.c - the command line, the candidates, and the replay of them in turns. */
#define _GNU_SOURCE /* memfd_create */
#include "tools/savings/savings.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/output.h"
#include "tools/place.h"
#include "tools/progress.h"
#include "tools/replay/replay.h"
#include "tools/trace/memory.h"
#include "tools/tune/tune.h"

static const char help[] =
    "Usage: mpress report --savings [OPTION...] T.mpt\n"
    "\n"
    "What would have been resident otherwise: replays the trace under the heap as it\n"
    "is, without melting and with more of it, with fewer size classes (it has 8 in a\n"
    "doubling), with classes of the program's own, with a whole profile (mpress tune:\n"
    "magazines too), and under the heaps of mimalloc and glibc. Blocks are touched\n"
    "page by page. Differences as large as those that the runs of one heap have among\n"
    "themselves say nothing.\n"
    "\n"
    "  -n, --runs N       of each (default 3)\n"
    "      --json         as JSON (schema: tools/README.md)\n"
    "      --no-color     no colour on a terminal (nor with NO_COLOR set)\n"
    "  -o, --output FILE  write there instead of to standard output\n"
    "  -q, --quiet        no progress\n"
    "\n"
    "mpress replay compares other allocators, and times.\n"
    "Exit status: 0, 1 when the trace cannot be read or a run failed, 2 for a wrong\n"
    "command line.\n";

/* The first is what the others are compared with. */
static const struct candidate candidates[] = {
    {"as it is", "mpress", "mpress", CANDIDATE_PLAIN},
    {"without melting", "no_melting", "mpress:MPRESS_MELT=off", CANDIDATE_PLAIN},
    {"melting at every chance", "melting", "mpress:MPRESS_MELT=always", CANDIDATE_PLAIN},
    {"4 classes in a doubling", "spacing_4", NULL, CANDIDATE_SPACED_4},
    {"2 classes in a doubling", "spacing_2", NULL, CANDIDATE_SPACED_2},
    {"size classes of its own", "classes", NULL, CANDIDATE_CLASSES},
    {"a whole profile", "profile", NULL, CANDIDATE_PROFILE},
    {"mimalloc's heap", "mimalloc", "mpress:MPRESS_HEAP=mimalloc", CANDIDATE_PLAIN},
    {"glibc's heap", "glibc", "glibc", CANDIDATE_PLAIN},
};

enum { CANDIDATES = sizeof candidates / sizeof candidates[0] };

struct request {
    const char *trace;
    const char *output; /* NULL: stdout */
    unsigned runs;
    bool json, quiet, no_colour;
};

enum { OPT_SAVINGS = 256, OPT_NO_COLOUR, RUNS_DEFAULT = 3, RUNS_MOST = 1000 };
enum { PROGRESS_DELAY_NS = 300000000 };

/* -- the command line ------------------------------------------------------------------------- */

static const struct option long_options[] = {{"savings", no_argument, NULL, OPT_SAVINGS},
                                             {"runs", required_argument, NULL, 'n'},
                                             {"json", no_argument, NULL, 'j'},
                                             {"quiet", no_argument, NULL, 'q'},
                                             {"output", required_argument, NULL, 'o'},
                                             {"no-color", no_argument, NULL, OPT_NO_COLOUR},
                                             {"no-colour", no_argument, NULL, OPT_NO_COLOUR},
                                             CLI_HELP,
                                             {NULL, 0, NULL, 0}};

static int take_option(void *request_, int option)
{
    struct request *request = request_;
    switch (option) {
    case 'n':
        return cli_read_number("report", "--runs", RUNS_MOST, &request->runs);
    case 'j':
        request->json = true;
        break;
    case 'o':
        request->output = optarg;
        break;
    case 'q':
        request->quiet = true;
        break;
    case OPT_NO_COLOUR:
        request->no_colour = true;
    }
    return CLI_GO_ON;
}

static int parse(int argc, char **argv, struct request *request)
{
    const struct cli_options options = {"report", help, ":n:o:jqh", long_options, take_option};
    int status = cli_read_options(&options, argc, argv, request);
    return status == CLI_GO_ON ? cli_read_trace("report", argc, argv, &request->trace) : status;
}

/* -- the profiles ----------------------------------------------------------------------------- */

/* By enum candidate_kind; "": it would change nothing. */
struct profiles {
    char path[CANDIDATE_KINDS][PLACE_BYTES];
};

/* In memory only, so that nothing is left behind however this ends; the runs read it by our name.
 * NULL: a line was said. */
static FILE *begin_profile(char path[PLACE_BYTES])
{
    int fd = memfd_create("profile", MFD_CLOEXEC);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (out == NULL)
        cli_say("no memory for a profile: %s", strerror(errno));
    else
        snprintf(path, PLACE_BYTES, "/proc/%d/fd/%d", (int)getpid(), fd);
    return out;
}

/* It stays open as long as we live. */
static int end_profile(FILE *out)
{
    if (fflush(out) == 0)
        return CLI_OK;
    cli_say("the profile cannot be written: %s", strerror(errno));
    return CLI_FAILED;
}

static int write_profile(const struct tuning *tuning, const char *trace, char path[PLACE_BYTES])
{
    FILE *out = begin_profile(path);
    if (out == NULL)
        return CLI_FAILED;
    tune_print_profile(tuning, trace, out);
    return end_profile(out);
}

static int write_spacing(unsigned spacing, char path[PLACE_BYTES])
{
    FILE *out = begin_profile(path);
    if (out == NULL)
        return CLI_FAILED;
    fprintf(out, "mpress-profile 1\nspacing %u\nend\n", spacing);
    return end_profile(out);
}

/* Of one without magazines the whole is no other. */
static int write_profiles(struct tuning *tuning, const char *trace, struct profiles *profiles)
{
    int status = write_spacing(4, profiles->path[CANDIDATE_SPACED_4]);
    if (status == CLI_OK)
        status = write_spacing(2, profiles->path[CANDIDATE_SPACED_2]);
    if (status == CLI_OK && tuning->warms != 0)
        status = write_profile(tuning, trace, profiles->path[CANDIDATE_PROFILE]);
    tuning->warms = 0;
    if (status == CLI_OK && tuning->exacts != 0)
        status = write_profile(tuning, trace, profiles->path[CANDIDATE_CLASSES]);
    return status;
}

static int make_profiles(const struct request *request, const struct trace *trace,
                         struct profiles *profiles)
{
    static struct tuning tuning;
    struct progress progress;
    if (!ladder_read(&tuning.ladder))
        return CLI_FAILED;
    progress_init(&progress, !request->quiet, PROGRESS_DELAY_NS);
    tuning_make(&tuning, trace, &progress);
    int status = write_profiles(&tuning, request->trace, profiles);
    tuning_fini(&tuning);
    return status;
}

/* -- the runs --------------------------------------------------------------------------------- */

struct outcome {
    const struct request *request;
    struct candidate candidate[CANDIDATES];
    size_t count;
};

static int add_candidate(struct outcome *outcome, const struct candidate *candidate,
                         const struct profiles *profiles, struct allocators *allocators)
{
    const char *profile = profiles->path[candidate->kind];
    if (candidate->kind != CANDIDATE_PLAIN && *profile == '\0')
        return CLI_OK;
    outcome->candidate[outcome->count++] = *candidate;
    return candidate->kind == CANDIDATE_PLAIN ? allocators_parse(candidate->with, allocators)
                                              : allocators_add_profile(allocators, profile);
}

static int print(const struct table *table, void *context)
{
    const struct outcome *outcome = context;
    const struct savings savings = {table, outcome->candidate};
    int status = replay_say_failures(table);
    int printed = CLI_OK;
    if (outcome->request->json) {
        printed = savings_print_json(&savings);
    } else {
        struct page page;
        page_init(&page, stdout, !outcome->request->no_colour);
        savings_print(&savings, &page);
    }
    return status == CLI_OK ? printed : status;
}

static int replay(const struct request *request, const struct trace *trace,
                  const struct profiles *profiles)
{
    const struct options options = {.trace = request->trace,
                                    .runs = request->runs,
                                    .copies = 1,
                                    .rounds = 1,
                                    .is_quiet = request->quiet,
                                    .touch = PROGRAM_TOUCH_PAGES};
    struct outcome outcome = {.request = request};
    struct allocators *allocators = memory_alloc(1, sizeof(*allocators));
    int status = CLI_OK;
    for (size_t i = 0; i < CANDIDATES && status == CLI_OK; i++)
        status = add_candidate(&outcome, &candidates[i], profiles, allocators);
    if (status == CLI_OK)
        status = replay_trace(&options, trace, allocators, print, &outcome);
    allocators_fini(allocators);
    return status;
}

static int measure(const struct request *request)
{
    struct trace *trace = cli_open_whole_trace(request->trace);
    if (trace == NULL)
        return CLI_FAILED;
    struct profiles profiles = {0};
    int status = make_profiles(request, trace, &profiles);
    if (status == CLI_OK)
        status = replay(request, trace, &profiles);
    trace_close(trace);
    return status;
}

int savings_main(int argc, char **argv)
{
    struct request request = {.runs = RUNS_DEFAULT};
    int status = parse(argc, argv, &request);
    if (status == CLI_GO_ON)
        status = output_begin(request.output);
    return status == CLI_GO_ON ? output_finish(request.output, measure(&request)) : status;
}

/* -- what is saved ---------------------------------------------------------------------------- */

static uint64_t noise_of(const struct stats_figure *figure)
{
    return figure->most - figure->least;
}

struct saved savings_read(const struct savings *savings, size_t row)
{
    const struct stats_figure *before = &savings->table->row[0].stats.resident_peak;
    const struct stats_figure *after = &savings->table->row[row].stats.resident_peak;
    struct saved saved = {.bytes = (int64_t)(before->median - after->median)};
    uint64_t one = noise_of(before), other = noise_of(after);
    saved.share = before->median == 0 ? 0 : (double)saved.bytes / (double)before->median;
    saved.noise = one > other ? one : other;
    saved.is_certain = (uint64_t)llabs(saved.bytes) > saved.noise;
    return saved;
}
