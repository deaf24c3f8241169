/* cli.h - what all commands share: how they are called, read options, refuse, and end. */
#ifndef MPRESS_TOOLS_CLI_H
#define MPRESS_TOOLS_CLI_H

#include <stdbool.h>
#include <stdint.h>

struct option; /* getopt.h */
struct trace;  /* tools/trace/trace.h */

/* Exit statuses of our own. `record` hands on the program's instead (125: its own failure).
 * CLI_GO_ON: there is none yet. */
enum {
    CLI_GO_ON = -1,
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_CRITERIA = 3, /* what the user wanted to be told of is so */
    CLI_RECORD_FAILED = 125
};

/* One command. `run` is called with argv[0] = the command's name and returns the exit status. */
struct cli_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary; /* a line for `mpress help` */
};

int record_main(int argc, char **argv);
int report_main(int argc, char **argv);
int options_main(int argc, char **argv);
int attach_main(int argc, char **argv);
int detach_main(int argc, char **argv);
int dump_main(int argc, char **argv);
int mark_main(int argc, char **argv);
int stats_main(int argc, char **argv);
int leaks_main(int argc, char **argv);

/* The options of a command. `take` gets each one, its value in optarg, and returns CLI_GO_ON, or
 * CLI_USAGE after a line. */
struct cli_options {
    const char *command;
    const char *help;           /* the whole page */
    const char *letters;        /* for getopt_long: ":...h"; "+:...h" stops at the first word */
    const struct option *names; /* CLI_HELP among them */
    int (*take)(void *request, int option);
};
#define CLI_HELP                                                                                   \
    {                                                                                              \
        "help", no_argument, NULL, 'h'                                                             \
    }

/* CLI_GO_ON: all were taken, and what is no option begins at argv[optind]. Else the exit status:
 * the help was printed, or a line says what is wrong. */
int cli_read_options(const struct cli_options *options, int argc, char **argv, void *request);

/* Behind the options: the one trace that there must be. CLI_GO_ON, or CLI_USAGE after a line. */
int cli_read_trace(const char *command, int argc, char **argv, const char **trace);

/* The value of an option: a number from 1 to `most`. CLI_GO_ON, or CLI_USAGE after a line. */
int cli_read_number(const char *command, const char *option, unsigned most, unsigned *number);

/* The same: a time, "500ms", "30s", "30", "5m", "1h". */
int cli_read_time(const char *command, const char *option, uint64_t *ns);

/* Behind the options: a process id, and nothing behind that. CLI_GO_ON, or CLI_USAGE after a line.
 */
int cli_read_process(const char *command, int argc, char **argv, int *pid);
int cli_refuse_more(const char *command, int argc, char **argv);

/* NULL after a line. What the trace's reader warns of is said. */
struct trace *cli_open_trace(const char *path);

/* The same where a trace of samples will not do. */
struct trace *cli_open_whole_trace(const char *path);

/* At the end: `status`, or CLI_FAILED after a line when not all of stdout could be written. */
int cli_finish(int status);

/* "mpress: ..." and a newline on stderr. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As cli_say, with "(see mpress help COMMAND)" behind it; returns CLI_USAGE. */
int cli_refuse(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A whole decimal number within [least, most]. */
bool cli_parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number);

#endif
