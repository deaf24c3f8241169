/* command.c - `mpress symbols`. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/output.h"
#include "tools/place.h"
#include "tools/symbols/kept.h"

static const char help[] =
    "Usage: mpress symbols [OPTION...] T.mpt\n"
    "\n"
    "Writes T.mpt.symbols: the functions, files and lines of all call stacks in the\n"
    "trace. `mpress report` and `mpress diff` take the names from there when it\n"
    "stands beside the trace: so both files together can be read on any machine, and\n"
    "when the program has been built anew since.\n"
    "\n"
    "  -o, --output FILE  write there instead\n"
    "\n"
    "The file appears when it is whole. Exit status: 0, 1 when the trace cannot be\n"
    "read or the file not be written, 2 for a wrong command line.\n";

static const struct option long_options[] = {
    {"output", required_argument, NULL, 'o'}, CLI_HELP, {NULL, 0, NULL, 0}};

static int take_option(void *output, int option)
{
    (void)option;
    *(const char **)output = optarg;
    return CLI_GO_ON;
}

static int write_names(const char *path, const char *output)
{
    struct trace *trace = cli_open_trace(path);
    if (trace == NULL)
        return CLI_FAILED;
    struct symbols *symbols = symbols_create(trace);
    int status = output_finish(output, kept_write(symbols, trace));
    symbols_destroy(symbols);
    trace_close(trace);
    return status;
}

int symbols_keep(const char *path, const char *output)
{
    char beside[PLACE_BYTES];
    if (snprintf(beside, sizeof beside, "%s%s", path, KEPT_SUFFIX) >= (int)sizeof beside)
        return cli_refuse("symbols", "%s: too long a path", path);
    if (output == NULL)
        output = beside;
    int status = output_begin(output);
    return status == CLI_GO_ON ? write_names(path, output) : status;
}

int symbols_main(int argc, char **argv)
{
    const struct cli_options options = {"symbols", help, ":o:h", long_options, take_option};
    const char *output = NULL, *path = NULL;
    int status = cli_read_options(&options, argc, argv, &output);
    if (status == CLI_GO_ON)
        status = cli_read_trace("symbols", argc, argv, &path);
    return status == CLI_GO_ON ? symbols_keep(path, output) : status;
}
