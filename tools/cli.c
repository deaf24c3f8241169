/* cli.c - one voice for refusals: what is wrong, in one line, and where the help is. */
#include "tools/cli.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/trace/trace.h"

void cli_say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("mpress: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

int cli_refuse(const char *command, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "mpress %s: ", command);
    vfprintf(stderr, format, list);
    fprintf(stderr, " (see mpress help %s)\n", command);
    va_end(list);
    return CLI_USAGE;
}

/* Was a long option of that word refused because it takes no value? Its letter is then in optopt,
 * as that of a short option that there is not. */
static bool is_value_too_many(const struct option *names, const char *word)
{
    size_t length = strcspn(word, "=");
    if (strncmp(word, "--", 2) != 0 || word[length] != '=')
        return false;
    for (; names->name != NULL; names++) {
        if (strncmp(names->name, word + 2, length - 2) == 0 && names->val == optopt &&
            names->has_arg == no_argument)
            return true;
    }
    return false;
}

/* What getopt_long refused last. */
static int refuse_option(const struct cli_options *options, int result, char **argv)
{
    const char *word = argv[optind - 1];
    bool is_long = !(optopt > ' ' && optopt < 127) || is_value_too_many(options->names, word) ||
                   (result == ':' && strncmp(word, "--", 2) == 0);
    if (result == ':' && !is_long)
        return cli_refuse(options->command, "option -%c needs a value", optopt);
    if (result == ':')
        return cli_refuse(options->command, "option %s needs a value", word);
    if (!is_long)
        return cli_refuse(options->command, "there is no option -%c", optopt);
    return cli_refuse(options->command,
                      "option %s: there is none of that name, or not in that form", word);
}

int cli_read_options(const struct cli_options *options, int argc, char **argv, void *request)
{
    int got, status = CLI_GO_ON;
    opterr = 0;
    optind = 0; /* from the beginning, whoever scanned what before */
    while (status == CLI_GO_ON &&
           (got = getopt_long(argc, argv, options->letters, options->names, NULL)) != -1) {
        if (got == '?' || got == ':')
            return refuse_option(options, got, argv);
        if (got == 'h') {
            fputs(options->help, stdout);
            return cli_finish(CLI_OK);
        }
        status = options->take(request, got);
    }
    return status;
}

int cli_read_trace(const char *command, int argc, char **argv, const char **trace)
{
    if (optind == argc)
        return cli_refuse(command, "which trace? mpress %s T.mpt", command);
    if (optind + 1 < argc)
        return cli_refuse(command, "%s: one trace at a time", argv[optind + 1]);
    *trace = argv[optind];
    return CLI_GO_ON;
}

int cli_read_number(const char *command, const char *option, unsigned most, unsigned *number)
{
    uint64_t value;
    if (!cli_parse_number(optarg, 1, most, &value))
        return cli_refuse(command, "%s %s: a number from 1 to %u", option, optarg, most);
    *number = (unsigned)value;
    return CLI_GO_ON;
}

/* "500ms", "30s", "30", "5m", "1h". */
static bool parse_time(const char *text, uint64_t *ns)
{
    static const struct {
        const char *unit;
        uint64_t ns;
    } units[] = {{"", UINT64_C(1000000000)},
                 {"s", UINT64_C(1000000000)},
                 {"ms", UINT64_C(1000000)},
                 {"m", 60 * UINT64_C(1000000000)},
                 {"h", 3600 * UINT64_C(1000000000)}};
    char digits[16] = "";
    uint64_t number;
    size_t length = strspn(text, "0123456789");
    if (length >= sizeof digits)
        return false;
    memcpy(digits, text, length);
    if (!cli_parse_number(digits, 1, 1000000, &number))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + length, units[i].unit) == 0) {
            *ns = number * units[i].ns;
            return true;
        }
    }
    return false;
}

int cli_read_time(const char *command, const char *option, uint64_t *ns)
{
    if (parse_time(optarg, ns))
        return CLI_GO_ON;
    return cli_refuse(command, "%s %s: a time like 30s, 5m or 1h", option, optarg);
}

int cli_read_process(const char *command, int argc, char **argv, int *pid)
{
    uint64_t number;
    if (optind == argc)
        return cli_refuse(command, "which process? mpress %s PID", command);
    if (!cli_parse_number(argv[optind], 1, INT_MAX, &number))
        return cli_refuse(command, "%s: not a process id", argv[optind]);
    *pid = (int)number;
    optind++;
    return CLI_GO_ON;
}

int cli_refuse_more(const char *command, int argc, char **argv)
{
    return optind == argc ? CLI_GO_ON
                          : cli_refuse(command, "%s: one process at a time", argv[optind]);
}

struct trace *cli_open_trace(const char *path)
{
    struct trace_error error;
    struct trace *trace = trace_open(path, &error);
    const char *line;
    if (trace == NULL)
        cli_say("%s", error.text);
    for (size_t i = 0; trace != NULL && (line = trace_warning(trace, i)) != NULL; i++)
        cli_say("%s", line);
    return trace;
}

struct trace *cli_open_whole_trace(const char *path)
{
    struct trace_error error;
    struct trace *trace = cli_open_trace(path);
    if (trace == NULL || !trace_is_sampled(trace, &error))
        return trace;
    cli_say("%s", error.text);
    trace_close(trace);
    return NULL;
}

int cli_finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    cli_say("the output could not be written: %s", strerror(errno));
    return CLI_FAILED;
}

bool cli_parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < least || value > most)
        return false;
    *number = value;
    return true;
}
