/* record.c - `mpress record`: looks before it starts, stays to the end, sums up. */
#define _GNU_SOURCE /* strsignal, setenv */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/family.h"
#include "tools/pack/follow.h"
#include "tools/place.h"
#include "tools/progress.h"
#include "tools/report/report.h"
#include "tools/run.h"
#include "tools/target.h"
#include "tools/trace/mapping.h"
#include "tools/units.h"

static const char help[] =
    "Usage: mpress record [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
    "\n"
    "Runs PROGRAM under libmpress.so and writes a trace: every allocation and free,\n"
    "with call stacks. At its end prints a summary; `mpress report` tells the rest.\n"
    "\n"
    "  -o, --output T.mpt  where the trace goes; %p: the program's process id.\n"
    "                      Default: mpress.PROGRAM.%p.mpt in this directory\n"
    "      --force         replace T.mpt if it exists; refused otherwise\n"
    "      --mode MODE     full (default): with call stacks; events: without;\n"
    "                      sample: some, with call stacks; hardly felt,\n"
    "                      amounts are estimates; flight: full, but only the\n"
    "                      newest of each thread are kept; notes a SIGSEGV, SIGBUS,\n"
    "                      SIGFPE, SIGILL or SIGABRT that ends it, no other signal\n"
    "      --keep SIZE     flight: so many bytes of each thread (default 4M, at\n"
    "                      least 128K)\n"
    "      --max-size SIZE the trace is never larger: its newest part is kept. At\n"
    "                      least 1M; but each thread alive gets its 64K to 128K\n"
    "      --policy POLICY when the disk is full: wait (default): the trace ends, and\n"
    "                      nothing is missing before; drop: events are dropped and\n"
    "                      counted until there is room again\n"
    "      --period SIZE   sample: one in so many bytes asked for (default 512K)\n"
    "      --depth N       deepest call stack recorded, 1..256 frames (default 128)\n"
    "      --no-pack       leave the trace as it is written, some ten times as large;\n"
    "                      else it is compressed while the program runs\n"
    "      --no-leaks      do not look at exit for blocks that nothing points to\n"
    "                      (about a second for each gigabyte in use)\n"
    "      --no-children   record PROGRAM only, not the processes that it starts\n"
    "      --stats         the library's own statistics at exit too (MPRESS_STATS=1)\n"
    "      --progress      show elapsed time, trace size and memory while it runs.\n"
    "                      Default when stderr is a terminal and stdout is not:\n"
    "                      otherwise it would write into the program's own output\n"
    "  -q, --quiet         no summary and no progress\n"
    "\n"
    "Processes that PROGRAM starts are recorded beside it, in T.PID.mpt; they are\n"
    "listed at the end. Interrupt the program (Ctrl-C) as usual: what was recorded\n"
    "until then is summed up. A trace is readable after SIGKILL too.\n"
    "\n"
    "Environment: MPRESS_... options of the library are handed on (`mpress options`);\n"
    "MPRESS_LIBRARY names another libmpress.so than the installed one.\n"
    "Exit status: the program's own; 128 + N when signal N killed it; 127 when it is\n"
    "not found, 126 when it cannot be run under the library, 125 when recording\n"
    "failed, 2 for a wrong command line.\n";

struct record {
    const char *output; /* as asked; NULL: made from the program's name */
    const char *mode;
    const char *depth;
    const char *period;
    const char *keep;
    const char *max_size;
    const char *policy;
    bool force, no_leaks, no_children, no_pack, quiet, stats, show_progress;
    char **arguments; /* the program and its arguments */
    char program[TARGET_PATH_BYTES];
    char library[PLACE_BYTES];
    char trace[PLACE_BYTES]; /* absolute; %p not yet replaced */
    struct progress progress;
};

/* -- the command line ------------------------------------------------------------------------- */

enum {
    OPT_FORCE = 256,
    OPT_MODE,
    OPT_DEPTH,
    OPT_PERIOD,
    OPT_KEEP,
    OPT_MAX_SIZE,
    OPT_POLICY,
    OPT_NO_LEAKS,
    OPT_NO_CHILDREN,
    OPT_NO_PACK,
    OPT_STATS,
    OPT_PROGRESS
};

static const struct option long_options[] = {{"output", required_argument, NULL, 'o'},
                                             {"quiet", no_argument, NULL, 'q'},
                                             {"force", no_argument, NULL, OPT_FORCE},
                                             {"mode", required_argument, NULL, OPT_MODE},
                                             {"depth", required_argument, NULL, OPT_DEPTH},
                                             {"period", required_argument, NULL, OPT_PERIOD},
                                             {"keep", required_argument, NULL, OPT_KEEP},
                                             {"max-size", required_argument, NULL, OPT_MAX_SIZE},
                                             {"policy", required_argument, NULL, OPT_POLICY},
                                             {"no-leaks", no_argument, NULL, OPT_NO_LEAKS},
                                             {"no-children", no_argument, NULL, OPT_NO_CHILDREN},
                                             {"no-pack", no_argument, NULL, OPT_NO_PACK},
                                             {"stats", no_argument, NULL, OPT_STATS},
                                             {"progress", no_argument, NULL, OPT_PROGRESS},
                                             CLI_HELP,
                                             {NULL, 0, NULL, 0}};

static bool is_mode(const char *word)
{
    return strcmp(word, "full") == 0 || strcmp(word, "events") == 0 ||
           strcmp(word, "sample") == 0 || strcmp(word, "flight") == 0;
}

/* False: it is none. 0 is none either. */
static bool read_size(const char *word, uint64_t *bytes)
{
    size_t digits = strspn(word, "0123456789");
    const char *unit = word + digits;
    const char *units = " KMG";
    const char *found = *unit != '\0' ? strchr(units, *unit) : units;
    if (*word == '0' || *unit == ' ' || digits == 0 || digits >= 10 || found == NULL ||
        (*unit != '\0' && unit[1] != '\0'))
        return false;
    *bytes = strtoull(word, NULL, 10) << 10 * (found - units);
    return true;
}

/* In the range of the library's own option, which would go on with its default. */
static int take_size(const char *option, const char *example, uint64_t least, uint64_t most,
                     const char **size)
{
    uint64_t bytes;
    *size = optarg;
    if (!read_size(optarg, &bytes))
        return cli_refuse("record", "%s %s: a size, for example %s", option, optarg, example);
    if (bytes < least)
        return cli_refuse("record", "%s %s: %s at least", option, optarg, units_bytes(least).at);
    if (bytes > most)
        return cli_refuse("record", "%s %s: %s at most", option, optarg, units_bytes(most).at);
    return CLI_GO_ON;
}

static int take_option(void *record_, int option)
{
    struct record *record = record_;
    unsigned number;
    switch (option) {
    case 'o':
        record->output = optarg;
        return *optarg == '\0' ? cli_refuse("record", "-o needs a file name") : CLI_GO_ON;
    case OPT_MODE:
        record->mode = optarg;
        if (is_mode(optarg))
            return CLI_GO_ON;
        return cli_refuse("record", "--mode %s: full, events, sample or flight", optarg);
    case OPT_PERIOD:
        return take_size("--period", "512K", 1, UINT64_C(1) << 32, &record->period);
    case OPT_KEEP:
        return take_size("--keep", "4M", 1 << 17, UINT64_C(1) << 40, &record->keep);
    case OPT_MAX_SIZE:
        return take_size("--max-size", "100M", 1 << 20, UINT64_C(1) << 44, &record->max_size);
    case OPT_POLICY:
        record->policy = optarg;
        if (strcmp(optarg, "wait") == 0 || strcmp(optarg, "drop") == 0)
            return CLI_GO_ON;
        return cli_refuse("record", "--policy %s: wait or drop", optarg);
    case OPT_DEPTH:
        record->depth = optarg;
        return cli_read_number("record", "--depth", 256, &number);
    case 'q':
        record->quiet = true;
        break;
    case OPT_FORCE:
        record->force = true;
        break;
    case OPT_NO_LEAKS:
        record->no_leaks = true;
        break;
    case OPT_NO_CHILDREN:
        record->no_children = true;
        break;
    case OPT_NO_PACK:
        record->no_pack = true;
        break;
    case OPT_STATS:
        record->stats = true;
        break;
    case OPT_PROGRESS:
        record->show_progress = true;
    }
    return CLI_GO_ON;
}

static int parse(int argc, char **argv, struct record *record)
{
    const struct cli_options options = {"record", help, "+:o:qh", long_options, take_option};
    int status = cli_read_options(&options, argc, argv, record);
    if (status != CLI_GO_ON)
        return status;
    record->arguments = argv + optind;
    if (record->keep != NULL && (record->mode == NULL || strcmp(record->mode, "flight") != 0))
        return cli_refuse("record", "--keep: of --mode flight only; --max-size bounds all others");
    if (record->period != NULL && (record->mode == NULL || strcmp(record->mode, "sample") != 0))
        return cli_refuse("record", "--period: of --mode sample only");
    if (optind == argc)
        return cli_refuse("record", "which program? mpress record [-o T.mpt] -- ./app args");
    return CLI_GO_ON;
}

/* -- before it starts ------------------------------------------------------------------------- */

static int find_program(struct record *record)
{
    char why[TARGET_WHY_BYTES];
    enum target_verdict verdict = target_find(record->arguments[0], record->program, why);
    if (why[0] != '\0')
        cli_say("%s", why);
    return (int)verdict;
}

static int find_library(struct record *record)
{
    if (place_find_library(record->library) != 0)
        cli_say("%s: there is no such library (MPRESS_LIBRARY can name it)", record->library);
    else if (!place_can_preload(record->library))
        cli_say("%s: a path with a blank or a colon cannot be said in LD_PRELOAD", record->library);
    else
        return CLI_OK;
    return CLI_RECORD_FAILED;
}

static int name_trace(struct record *record)
{
    char name[NAME_MAX + 1];
    const char *slash = strrchr(record->program, '/');
    snprintf(name, sizeof name, "mpress.%.200s.%%p.mpt",
             slash == NULL ? record->program : slash + 1);
    int error = place_make_absolute(record->output == NULL ? name : record->output, record->trace);
    if (error != 0) {
        cli_say("%s: %s", record->output, strerror(error));
        return CLI_RECORD_FAILED;
    }
    return CLI_OK;
}

/* Nothing of value may be at the place of the trace, or of what is packed of it. */
static int make_room(const struct record *record, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return CLI_OK;
    if (!record->force) {
        cli_say("%s exists already; --force replaces it", path);
        return CLI_RECORD_FAILED;
    }
    if (!S_ISREG(status.st_mode) || unlink(path) != 0) {
        cli_say("%s cannot be replaced", path);
        return CLI_RECORD_FAILED;
    }
    return CLI_OK;
}

/* The trace must be new, and its directory writable: the library could only say so too late. */
static int check_trace(struct record *record)
{
    char *packing = mapping_name_packing(record->trace);
    int status = make_room(record, record->trace);
    if (status == CLI_OK)
        status = make_room(record, packing);
    free(packing);
    if (status != CLI_OK)
        return status;
    char *slash = strrchr(record->trace, '/');
    *slash = '\0';
    const char *directory = *record->trace == '\0' ? "/" : record->trace;
    int failed = access(directory, W_OK);
    if (failed != 0)
        cli_say("%s: no trace can be written there: %s", directory, strerror(errno));
    *slash = '/';
    return failed != 0 ? CLI_RECORD_FAILED : CLI_OK;
}

/* -- while it runs ---------------------------------------------------------------------------- */

/* The trace's name with every %p replaced, as the library would do it. */
static void expand_name(const char *name, pid_t pid, char out[PLACE_BYTES])
{
    size_t used = 0;
    for (; *name != '\0' && used + 24 < PLACE_BYTES; name++) {
        if (name[0] == '%' && name[1] == 'p') {
            used += (size_t)snprintf(out + used, PLACE_BYTES - used, "%d", (int)pid);
            name++;
        } else {
            out[used++] = *name;
        }
    }
    out[used] = '\0';
}

/* In the child: what the library is told. The name is made here, because it may hold the pid. */
static void set_environment(pid_t own_pid, void *context)
{
    const struct record *record = context;
    char trace[PLACE_BYTES];
    char pid[16];
    expand_name(record->trace, own_pid, trace);
    snprintf(pid, sizeof pid, "%d", (int)own_pid);
    setenv("MPRESS_TRACE", record->mode, 1);
    setenv("MPRESS_TRACE_FILE", trace, 1);
    setenv("MPRESS_LEAKS", record->no_leaks ? "0" : "1", 1);
    if (record->depth != NULL)
        setenv("MPRESS_TRACE_DEPTH", record->depth, 1);
    if (record->period != NULL)
        setenv("MPRESS_TRACE_PERIOD", record->period, 1);
    if (record->keep != NULL)
        setenv("MPRESS_TRACE_FLIGHT", record->keep, 1);
    if (record->max_size != NULL)
        setenv("MPRESS_TRACE_MAX_SIZE", record->max_size, 1);
    if (record->policy != NULL)
        setenv("MPRESS_TRACE_POLICY", record->policy, 1);
    if (record->no_children)
        setenv("MPRESS_TRACE_PID", pid, 1);
    if (record->stats)
        setenv("MPRESS_STATS", "1", 1);
    unsetenv("MPRESS_LIBRARY");
    place_preload(record->library);
}

/* Resident memory of a process from /proc; 0: not known. */
static uint64_t read_rss(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    unsigned long long size = 0, resident = 0;
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void show_progress(const struct run *run, void *context)
{
    struct record *record = context;
    if (!progress_is_due(&record->progress))
        return;
    char trace[PLACE_BYTES];
    expand_name(record->trace, run->pid, trace);
    progress_show(&record->progress, "recording: %s, trace %s, resident %s",
                  units_duration(progress_now_ns() - run->started_ns).at,
                  units_bytes(family_read_written_bytes(trace)).at,
                  units_bytes(read_rss(run->pid)).at);
}

/* -- after its end ---------------------------------------------------------------------------- */

static void say_end(const struct record *record, const struct run *run)
{
    const char *name = record->arguments[0];
    if (WIFSIGNALED(run->wait_status))
        cli_say("%s was killed by signal %d (%s) after %s", name, WTERMSIG(run->wait_status),
                strsignal(WTERMSIG(run->wait_status)),
                units_duration(run->ended_ns - run->started_ns).at);
    else
        cli_say("%s ended with exit status %d after %s", name, WEXITSTATUS(run->wait_status),
                units_duration(run->ended_ns - run->started_ns).at);
}

/* Quietly, only that there is nothing. */
static void sum_up(struct record *record, const struct run *run)
{
    char trace[PLACE_BYTES];
    expand_name(record->trace, run->pid, trace);
    struct family family;
    family_init(&family, trace, run->started_ns);
    if (family.members == 0) {
        cli_say("no trace is in %s: the library could not be loaded, or could not write, "
                "or it was removed",
                trace);
    } else if (!record->quiet) {
        size_t main_member = family_find_main(&family, (uint64_t)run->pid);
        if (family.members > 1)
            family_print(&family, main_member, stderr);
        report_print_summary(family.member[main_member].path, stderr);
    }
    family_fini(&family);
}

static bool show_packing(const char *path, double share, void *context)
{
    struct record *record = context;
    if (progress_is_due(&record->progress))
        progress_show(&record->progress, "packing %s: %3.0f %%", path, 100 * share);
    return !run_is_interrupted();
}

static void pack_rest(struct record *record, struct follow *follow)
{
    struct follow_result result;
    run_forget_signals();
    follow_finish(follow, show_packing, record, &result);
    progress_fini(&record->progress);
    if (result.failed > 0)
        cli_say("%s", result.error.text);
    if (result.failed > 1)
        cli_say("and %u more traces could not be packed", result.failed - 1);
    if (result.live > 0 && !record->quiet)
        cli_say("%s still written: `mpress pack` them when their processes have ended",
                units_plural(result.live, "trace").at);
    if (result.left > 0)
        cli_say("packing was interrupted: `mpress pack` goes on with it");
}

/* The program runs, and is packed. */
static void stay(struct record *record, struct run *run)
{
    char trace[PLACE_BYTES];
    expand_name(record->trace, run->pid, trace);
    struct follow *follow = record->no_pack ? NULL : follow_start(trace, run->started_ns);
    run_wait(run, show_progress, record);
    progress_fini(&record->progress);
    if (follow != NULL)
        pack_rest(record, follow);
}

static int run_program(struct record *record)
{
    struct run run;
    int error = run_start(&run, record->program, record->arguments, set_environment, record);
    if (error != 0) {
        cli_say("%s: %s", record->program, strerror(error));
        return error == ENOENT ? TARGET_NOT_FOUND : TARGET_NOT_RUNNABLE;
    }
    bool wanted = !record->quiet && (record->show_progress || isatty(STDOUT_FILENO) == 0);
    progress_init(&record->progress, wanted, 0);
    stay(record, &run);
    if (!record->quiet)
        say_end(record, &run);
    sum_up(record, &run);
    return run_get_exit_status(&run);
}

int record_main(int argc, char **argv)
{
    struct record record = {.mode = "full"};
    int status = parse(argc, argv, &record);
    if (status != CLI_GO_ON)
        return status;
    status = find_program(&record);
    if (status == CLI_OK)
        status = find_library(&record);
    if (status == CLI_OK)
        status = name_trace(&record);
    if (status == CLI_OK)
        status = check_trace(&record);
    return status == CLI_OK ? run_program(&record) : status;
}
