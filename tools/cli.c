/* cli.c - one voice for refusals: what is wrong, in one line, and where the help is. */
#include "tools/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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

int cli_refuse_option(const char *command, int result, char **argv)
{
    bool is_short = optopt > ' ' && optopt < 127;
    if (result == ':' && is_short)
        return cli_refuse(command, "option -%c needs a value", optopt);
    if (result == ':')
        return cli_refuse(command, "option %s needs a value", argv[optind - 1]);
    if (is_short)
        return cli_refuse(command, "there is no option -%c", optopt);
    return cli_refuse(command, "option %s: there is none of that name, or not in that form",
                      argv[optind - 1]);
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
