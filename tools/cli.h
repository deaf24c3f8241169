/* cli.h - what all commands share: how they are called, refuse, and read numbers. */
#ifndef MPRESS_TOOLS_CLI_H
#define MPRESS_TOOLS_CLI_H

#include <stdbool.h>
#include <stdint.h>

/* Exit statuses of our own. `record` hands on the program's instead (125: its own failure). */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_RECORD_FAILED = 125 };

/* One command. `run` is called with argv[0] = the command's name and returns the exit status. */
struct cli_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary; /* a line for `mpress help` */
    const char *help;    /* the whole page; NULL: the command answers --help itself */
};

int record_main(int argc, char **argv);
int report_main(int argc, char **argv);
int options_main(int argc, char **argv);
extern const char record_help[];
extern const char report_help[];
extern const char options_help[];

/* "mpress: ..." and a newline on stderr. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As cli_say, with "(see mpress help COMMAND)" behind it; returns CLI_USAGE. */
int cli_refuse(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What getopt_long (opterr 0, options beginning with ':') refused last; returns CLI_USAGE. */
int cli_refuse_option(const char *command, int result, char **argv);

/* A whole decimal number within [least, most]. */
bool cli_parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number);

#endif
