/* main.c - one program, several commands; called mpress-replay it is `mpress replay`. */
#include <stdio.h>
#include <string.h>

#include "preload/mpress.h"
#include "tools/cli.h"
#include "tools/diff/diff.h"
#include "tools/forecast/forecast.h"
#include "tools/pack/pack.h"
#include "tools/propose/propose.h"
#include "tools/replay/asked.h"
#include "tools/replay/replay.h"
#include "tools/savings/savings.h"
#include "tools/sweep/sweep.h"
#include "tools/symbols/kept.h"
#include "tools/tune/tune.h"

static bool has_option(int argc, char **argv, const char *option)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], option) == 0)
            return true;
    }
    return false;
}

/* What is run again: a trace, or a program whose allocations fail. */
static int replay(int argc, char **argv)
{
    return asked_find(argc, argv) == ASKED_SWEEP ? sweep_main(argc, argv) : replay_main(argc, argv);
}

/* What the trace tells, or what replays of it do. */
static int report(int argc, char **argv)
{
    if (has_option(argc, argv, "--propose"))
        return propose_main(argc, argv);
    return has_option(argc, argv, "--savings") ? savings_main(argc, argv) : report_main(argc, argv);
}

static const struct cli_command commands[] = {
    {"record", record_main, "run a program and write a trace of its heap"},
    {"report", report, "leaks, peak, fragmentation and more, out of a trace"},
    {"diff", diff_main, "what changed between two traces"},
    {"replay", replay, "run a trace again under several allocators and compare"},
    {"tune", tune_main, "size classes and magazines that would suit a program"},
    {"propose", propose_main, "where transactions would pay, and how much"},
    {"attach", attach_main, "start a trace in a process that runs already"},
    {"detach", detach_main, "end it"},
    {"dump", dump_main, "copy what it holds, while it goes on"},
    {"mark", mark_main, "put a label into its timeline"},
    {"stats", stats_main, "what its heap holds and its threads did"},
    {"leaks", leaks_main, "what nothing in it points to any more"},
    {"forecast", forecast_main, "when memory would have run short, told beforehand"},
    {"pack", pack_main, "compress traces in place; all commands read them"},
    {"unpack", unpack_main, "and make them as they were"},
    {"symbols", symbols_main, "keep the names of its functions beside a trace"},
    {"options", options_main, "the library's options (MPRESS_...) and their values"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const char usage[] =
    "mpress: what a program does with its heap\n"
    "\n"
    "  mpress record [-o T.mpt] -- ./app args   run it and write a trace\n"
    "  mpress report T.mpt                      what the trace tells\n"
    "  mpress replay T.mpt --with mpress,glibc  the same work under other allocators\n"
    "  LD_PRELOAD=libmpress.so ./app            just the faster heap\n"
    "\n"
    "Commands:\n";

static const char more[] =
    "\n"
    "`mpress help COMMAND` or `mpress COMMAND --help` tells more about each;\n"
    "`mpress --version` the version.\n";

static int print_usage(FILE *out)
{
    fputs(usage, out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
    fputs(more, out);
    return out == stdout ? cli_finish(CLI_OK) : CLI_USAGE;
}

static const struct cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int refuse_command(const char *name)
{
    cli_say("there is no command \"%s\" (see mpress help)", name);
    return CLI_USAGE;
}

static int help(int argc, char **argv)
{
    if (argc < 2)
        return print_usage(stdout);
    const struct cli_command *command = find_command(argv[1]);
    if (command == NULL)
        return refuse_command(argv[1]);
    return command->run(2, (char *[]){argv[1], "--help", NULL});
}

static bool is_called(const char *argv0, const char *name)
{
    const char *slash = strrchr(argv0, '/');
    return strcmp(slash == NULL ? argv0 : slash + 1, name) == 0;
}

static bool is_version(const char *word)
{
    return strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0;
}

static int print_version(void)
{
    puts("mpress " MPRESS_VERSION);
    return cli_finish(CLI_OK);
}

int main(int argc, char **argv)
{
    if (argc >= 1 && is_called(argv[0], "mpress-replay"))
        return argc == 2 && is_version(argv[1]) ? print_version() : replay(argc, argv);
    if (argc < 2)
        return print_usage(stderr);
    const char *word = argv[1];
    if (strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return help(argc - 1, argv + 1);
    if (is_version(word))
        return print_version();
    const struct cli_command *command = find_command(word);
    return command == NULL ? refuse_command(word) : command->run(argc - 1, argv + 1);
}
