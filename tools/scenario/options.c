/* options.c - see options.h */
#define _GNU_SOURCE /* PATH_MAX */
#include "tools/scenario/options.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/scenario/gaps.h"

static const char help[] =
    "Usage: mpress-replay --scenario SCENARIO [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
    "       mpress-replay -f FILE.json [NAME] [OPTION...] [-- PROGRAM [ARGUMENT...]]\n"
    "       mpress replay T.mpt --under SCENARIO [--with ALLOCATOR] [OPTION...]\n"
    "       mpress-replay --list\n"
    "\n"
    "Takes memory away from PROGRAM, step by step, measures what becomes of its\n"
    "work, finds the budget at which it breaks, and says whether it did well. With\n"
    "--under the program is the replay of a trace, as fast as it goes.\n"
    "\n"
    "  --scenario SCENARIO  linear, exponential, spike, sawtooth, or a file of\n"
    "                       lines \"SECONDS LEVEL\", LEVEL as 80% or 512M\n"
    "  --under SCENARIO     the same, of a trace; --with: its allocator (mpress);\n"
    "                       also --threads, --speed, --touch, --copies, --repeat,\n"
    "                       or --workload and one --scale (see mpress help replay)\n"
    "  --limit SIZE         the lowest level (default: a quarter of the peak); to\n"
    "                       break above it is infinite degradation\n"
    "  --duration TIME      of the pressure phase (default: 60 s)\n"
    "  --within TIME        of the whole experiment (default: 5m, or five times the\n"
    "                       duration if that is more), or none; what was left out\n"
    "                       to keep it is told\n"
    "  --levels N           steps down (default: what the duration allows, 6 to 20)\n"
    "  --form FORM          staircase (default): each level is held; ramp: the budget\n"
    "                       glides from level to level, as shocks and forecasts want\n"
    "  --pressure HOW       auto (default), one of --list, or cgroup (v1 or v2)\n"
    "  -f, --file FILE      scenarios and criteria from a file; all, or the one NAME\n"
    "  --list               scenarios, and ways to exert pressure here\n"
    "\n"
    "A program that ends by itself is run again and again; its wall time is the\n"
    "metric. For one that goes on, say what a unit of work is:\n"
    "  --load COMMAND       a shell command, run again and again: its wall time\n"
    "  --progress REGEX     lines of the program's output that match\n"
    "  --metric-cmd COMMAND a shell command that prints a number, less is better\n"
    "  --work-signal NAME   it sends USR1, USR2, WINCH or URG to its parent\n"
    "  --ready REGEX|PORT   when it is ready: a line of its output, or a port that\n"
    "                       answers on 127.0.0.1\n"
    "  --window TIME        shortest stretch that is one measurement (default: 0.5 s)\n"
    "  --expect-exit N      exit status of a run that did its work (default: 0)\n"
    "  --timeout TIME       of one run, load or start without pressure (60 s)\n"
    "  --recovery-time TIME to wait until recovery begins (default: 60 s), or none;\n"
    "                       it is watched for 3 s more\n"
    "\n"
    "  --strategy NAME:VARIABLE=VALUE[,...]\n"
    "                       measure what this environment is worth, without, with,\n"
    "                       without (A/B/A); may be given several times; none: not\n"
    "                       the library's own either\n"
    "  --require NAME=BOUND a criterion, or NAME=none: degradation (10), graceful\n"
    "                       (1), stability (0.6), recovery (none), efficiency\n"
    "                       (0.5), improvement (20%), breaking_point (none)\n"
    "  --no-search          do not look for the breaking point\n"
    "  -j, --json           the results as JSON on stdout\n"
    "  --html FILE          and as one page with charts\n"
    "  -q, --quiet          no progress on the terminal\n"
    "\n"
    "Exit status: 0 passed, 1 a criterion is not met or no verdict is possible (for\n"
    "noise, or as degradation, graceful, stability or what --require names was not\n"
    "measured), 2 wrong usage or a failure of this program, 3 the program could not\n"
    "be run as asked.\n";

enum long_option {
    OPTION_SETTING = 256,
    OPTION_REQUIRE,
    OPTION_NO_SEARCH,
    OPTION_LIST,
    OPTION_UNDER,
    OPTION_WITH,
    KEYS_FIRST = 1000,   /* those of `keys` */
    REPLAY_FIRST = 2000, /* those of the replay, behind their own numbers */
};

enum { SETTINGS_MOST = 64 };

/* Options are kept and set last, over what the file says. */
struct command_line {
    const char *file;
    const char *name; /* of the scenario in the file */
    const char *with;
    struct {
        const char *key, *value;
    } setting[SETTINGS_MOST];
    size_t settings;
    const struct options_of_replay *replay; /* NULL: a program is put under pressure */
    bool is_list, is_json, is_quiet, is_not_searching;
};

/* Each is a setting of plan.c; the option's value of getopt is its place here. */
static const char *const keys[] = {
    "scenario",    "limit",   "duration",      "within",      "levels",     "form",
    "pressure",    "ready",   "load",          "progress",    "metric-cmd", "window",
    "work-signal", "timeout", "recovery-time", "expect-exit", "strategy",   "html"};

enum { KEYS = sizeof keys / sizeof keys[0] };

static int keep(struct command_line *line, const char *key, const char *value)
{
    if (line->settings == SETTINGS_MOST)
        return cli_refuse("replay", "too many options");
    line->setting[line->settings].key = key;
    line->setting[line->settings++].value = value;
    return CLI_GO_ON;
}

static int take_option(void *line_, int option)
{
    struct command_line *line = line_;
    switch (option) {
    case 'f':
        line->file = optarg;
        return CLI_GO_ON;
    case 'j':
        line->is_json = true;
        return CLI_GO_ON;
    case 'q':
        line->is_quiet = true;
        return CLI_GO_ON;
    case OPTION_NO_SEARCH:
        line->is_not_searching = true;
        return CLI_GO_ON;
    case OPTION_LIST:
        line->is_list = true;
        return CLI_GO_ON;
    case OPTION_UNDER:
        if (line->replay == NULL)
            return cli_refuse("replay", "--under: of a trace; of a program it is --scenario");
        return keep(line, "scenario", optarg);
    case 'w':
    case OPTION_WITH:
        if (line->with != NULL)
            return cli_refuse("replay", "--with %s: one allocator at a time is put under pressure",
                              optarg);
        line->with = optarg;
        return CLI_GO_ON;
    case OPTION_REQUIRE:
        return keep(line, NULL, optarg);
    default:
        if (option >= REPLAY_FIRST)
            return line->replay->take(line->replay->context, option - REPLAY_FIRST);
        if (option < KEYS_FIRST) /* a letter of the replay's */
            return line->replay->take(line->replay->context, option);
        return keep(line, keys[option - KEYS_FIRST], optarg);
    }
}

enum { OTHERS = 9, NAMES = 64 };

/* Behind those that are there, with other numbers. */
static void add_names_of_replay(const struct options_of_replay *replay, struct option *names,
                                size_t count)
{
    for (const struct option *name = replay->names; name->name != NULL && count < NAMES - 1;
         name++) {
        names[count] = *name;
        names[count++].val += REPLAY_FIRST;
    }
}

static int read_line(int argc, char **argv, struct command_line *line)
{
    struct option names[NAMES] = {{"file", required_argument, NULL, 'f'},
                                  {"json", no_argument, NULL, 'j'},
                                  {"quiet", no_argument, NULL, 'q'},
                                  {"require", required_argument, NULL, OPTION_REQUIRE},
                                  {"no-search", no_argument, NULL, OPTION_NO_SEARCH},
                                  {"list", no_argument, NULL, OPTION_LIST},
                                  {"under", required_argument, NULL, OPTION_UNDER},
                                  {"with", required_argument, NULL, OPTION_WITH},
                                  CLI_HELP};
    char letters[32] = "+:f:jqh";
    for (size_t i = 0; i < KEYS; i++)
        names[OTHERS + i] = (struct option){keys[i], required_argument, NULL, KEYS_FIRST + (int)i};
    if (line->replay != NULL) {
        add_names_of_replay(line->replay, names, OTHERS + KEYS);
        snprintf(letters, sizeof letters, ":f:w:jqh%s", line->replay->letters);
    }
    const struct cli_options all = {"replay", help, letters, names, take_option};
    return cli_read_options(&all, argc, argv, line);
}

/* -- what it makes of the plans --------------------------------------------------------------- */

static bool set_bound(struct plan *plan, const char *text, char *why)
{
    char name[64];
    size_t length = strcspn(text, "=");
    if (text[length] != '=' || length >= sizeof name) {
        snprintf(why, PLAN_WHY_BYTES, "--require %.100s: NAME=BOUND is wanted", text);
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    return plan_set_bound(plan, name, text + length + 1, why);
}

static int set_all(const struct command_line *line, struct plan *plan)
{
    char why[PLAN_WHY_BYTES];
    for (size_t i = 0; i < line->settings; i++) {
        const char *key = line->setting[i].key, *value = line->setting[i].value;
        bool is_fine = key == NULL ? set_bound(plan, value, why) : plan_set(plan, key, value, why);
        if (!is_fine)
            return cli_refuse("replay", "%s%s", key == NULL ? "" : "--", why);
    }
    plan->is_json = line->is_json;
    plan->is_quiet = line->is_quiet;
    if (line->is_not_searching)
        plan->is_searching = false;
    return CLI_GO_ON;
}

/* What is replayed is its own program, and the time that takes the metric. */
static int take_trace(const struct command_line *line, char *const *operands, int count,
                      struct plan *plan)
{
    const char *made = line->replay->find_made(line->replay->context);
    if (made != NULL && count != 0)
        return cli_refuse("replay", "%s: a trace or a workload, not both", operands[0]);
    if ((made == NULL && count != 1) || line->file != NULL)
        return cli_refuse("replay", "which trace? mpress replay T.mpt --under linear");
    plan->trace = made != NULL ? made : operands[0];
    if (!plan_is_finite(plan))
        return cli_refuse("replay", "--load and its like: a trace is no service");
    return CLI_GO_ON;
}

/* The page is written at the end: what forbids that must not cost the time until then. */
static int find_page_error(const char *path)
{
    struct stat there;
    char folder[PATH_MAX];
    if (stat(path, &there) == 0 && S_ISDIR(there.st_mode))
        return EISDIR;
    if (access(path, W_OK) == 0)
        return 0;
    if (errno != ENOENT || (size_t)snprintf(folder, sizeof folder, "%s", path) >= sizeof folder)
        return errno;
    return access(dirname(folder), W_OK) == 0 ? 0 : errno;
}

static int check_page(const struct scenario_options *options, size_t index)
{
    const char *page = options->plan[index].html;
    int error = page == NULL ? 0 : find_page_error(page);
    if (error != 0)
        return cli_refuse("replay", "--html %s: %s", page, strerror(error));
    for (size_t i = 0; page != NULL && i < index; i++) {
        if (options->plan[i].html != NULL && strcmp(options->plan[i].html, page) == 0)
            return cli_refuse(
                "replay",
                "--html %s: a page is of one scenario; name one, or give each its own in the file",
                page);
    }
    return CLI_GO_ON;
}

/* A slip that would else be told as a program that cannot be run. */
static bool is_trace_name(const char *word)
{
    size_t length = strlen(word);
    return length > 4 && strcmp(word + length - 4, ".mpt") == 0;
}

/* The mechanism that the user named; NULL: it is to be chosen, or there is none. */
static const struct pressure_mechanism *find_mechanism(const struct plan *plan)
{
    size_t i = 0;
    const struct pressure_mechanism *mechanism;
    while ((mechanism = pressure_mechanism(i)) != NULL &&
           strcmp(mechanism->name, plan->pressure) != 0)
        i++;
    return mechanism;
}

static int check_criteria(const struct plan *plan)
{
    const struct pressure_mechanism *mechanism = find_mechanism(plan);
    enum verdict_row row = gaps_find_demanded(plan, mechanism);
    if (row == VERDICT_ROWS)
        return CLI_GO_ON;
    const struct gap *gap = gaps_find(plan, mechanism, row);
    return cli_refuse("replay", "criterion %s cannot be measured: %s; %s", verdict_row_name(row),
                      gap->why, gap->remedy);
}

static int check(const struct plan *plan)
{
    int metrics = (plan->load != NULL) + (plan->progress != NULL) + (plan->metric != NULL) +
                  (plan->work_signal != 0);
    const char *name = plan->name == NULL ? "" : plan->name,
               *colon = plan->name == NULL ? "" : ": ";
    if (plan->shape.name == NULL)
        return cli_refuse("replay", "%s%swhich scenario? --scenario linear, for example", name,
                          colon);
    if (plan->trace == NULL && (plan->arguments == NULL || plan->arguments[0] == NULL))
        return cli_refuse("replay", "%s%swhich program? mpress-replay --scenario %s -- ./app args",
                          name, colon, plan->shape.name);
    if (plan->trace == NULL && is_trace_name(plan->arguments[0]))
        return cli_refuse("replay", "%s is a trace: mpress replay %s --under %s",
                          plan->arguments[0], plan->arguments[0], plan->shape.name);
    if (plan->trace == NULL && plan->with != NULL)
        return cli_refuse("replay",
                          "--with: of a trace (--under); a program has its own allocator");
    if (plan->is_ramp && shape_is_sudden(&plan->shape))
        return cli_refuse("replay", "--form ramp: a %s is sudden", plan->shape.name);
    if (metrics > 1)
        return cli_refuse("replay", "one of --load, --progress, --metric-cmd and --work-signal");
    if (metrics > 0 && plan->expected_exit != 0)
        return cli_refuse("replay", "--expect-exit: a service is not to end");
    return check_criteria(plan);
}

static int make_plans(const struct command_line *line, int argc, char **argv,
                      struct scenario_options *options)
{
    char why[PLAN_WHY_BYTES];
    if (line->file == NULL)
        plan_init(&options->plan[options->plans++]);
    else if (!config_read(line->file, line->name, options, why))
        return cli_refuse("replay", "%s", why);
    int status = CLI_GO_ON;
    for (size_t i = 0; i < options->plans && status == CLI_GO_ON; i++) {
        struct plan *plan = &options->plan[i];
        if (line->replay == NULL && optind < argc)
            plan->arguments = argv + optind;
        plan->with = line->with;
        status = set_all(line, plan);
        if (status == CLI_GO_ON && line->replay != NULL)
            status = take_trace(line, argv + optind, argc - optind, plan);
        if (status == CLI_GO_ON)
            status = check(plan);
        if (status == CLI_GO_ON)
            status = check_page(options, i);
    }
    return status;
}

int options_read(int argc, char **argv, const struct options_of_replay *replay,
                 struct scenario_options *options)
{
    struct command_line line = {.replay = replay};
    int status = read_line(argc, argv, &line);
    if (status != CLI_GO_ON)
        return status;
    options->is_list = line.is_list;
    if (line.is_list)
        return CLI_GO_ON;
    if (replay == NULL && line.file != NULL && optind < argc &&
        strcmp(argv[optind - 1], "--") != 0) {
        line.name = argv[optind];
        int first = optind;
        status = read_line(argc - first, argv + first, &line); /* options behind the name */
        optind += first;
        if (status != CLI_GO_ON)
            return status;
    }
    return make_plans(&line, argc, argv, options);
}

void options_fini(struct scenario_options *options)
{
    for (size_t i = 0; i < options->plans; i++) {
        plan_fini(&options->plan[i]);
        free(options->arguments[i]);
    }
    json_decref(options->file);
}
