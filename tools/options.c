/* options.c - `mpress options`: asks the library itself, so that the table cannot be out of date.
 *
 * The library answers only inside a process that it is loaded in, so this program starts itself
 * once more under LD_PRELOAD. It must not be traced then: MPRESS_TRACE is taken out of the
 * environment and handed on as an argument, to be shown as the value it would have. */
#define _GNU_SOURCE /* setenv, unsetenv, execv */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/mpress.h"
#include "tools/cli.h"
#include "tools/place.h"
#include "tools/values.h"

static const char help[] =
    "Usage: mpress options [--json]\n"
    "\n"
    "Prints the options of libmpress.so: environment variables, each with the value\n"
    "it has now, the values it can take, and what it does. A * marks a value that\n"
    "is not the default. The table is asked of the library itself.\n"
    "\n"
    "      --json    as JSON: {\"schema\": \"mpress-options/1\", \"options\": [...]}\n"
    "\n"
    "Environment: MPRESS_LIBRARY names another libmpress.so than the installed one.\n"
    "Exit status: 0, 1 when the library cannot be asked, 2 for a wrong command line.\n";

struct request {
    bool json;
    bool is_preloaded;
    const char *trace; /* MPRESS_TRACE as it was; NULL: not set */
};

static int take_option(void *request_, int option)
{
    struct request *request = request_;
    if (option == 'j') {
        request->json = true;
    } else {
        request->is_preloaded = true;
        request->trace = optarg;
    }
    return CLI_GO_ON;
}

static int parse(int argc, char **argv, struct request *request)
{
    static const struct option names[] = {{"json", no_argument, NULL, 'j'},
                                          {"preloaded", optional_argument, NULL, 'p'},
                                          CLI_HELP,
                                          {NULL, 0, NULL, 0}};
    const struct cli_options options = {"options", help, ":h", names, take_option};
    int status = cli_read_options(&options, argc, argv, request);
    if (status == CLI_GO_ON && optind < argc)
        return cli_refuse("options", "%s: no argument is expected", argv[optind]);
    return status;
}

/* -- rows ------------------------------------------------------------------------------------- */

static bool is_choice(const char *choices, const char *word)
{
    size_t length = strlen(word);
    for (; *choices != '\0'; choices += *choices == '|') {
        size_t choice = strcspn(choices, "|");
        if (choice == length && strncmp(choices, word, length) == 0)
            return true;
        choices += choice;
    }
    return false;
}

static bool read_option(const struct request *request, size_t index, struct mpress_option *option)
{
    if (mpress_option_read(index, option) != 0)
        return false;
    if (strcmp(option->variable, "MPRESS_TRACE") != 0 || request->trace == NULL ||
        !is_choice(option->values, request->trace))
        return true;
    option->is_default = strcmp(option->value, request->trace) == 0;
    snprintf(option->value, sizeof option->value, "%s", request->trace);
    return true;
}

/* `text` in lines of at most `width`, each behind `indent` blanks. */
static void print_wrapped(const char *text, int indent, size_t width)
{
    while (*text != '\0') {
        size_t length = strlen(text);
        if (length > width) {
            length = width;
            while (length > 0 && text[length] != ' ')
                length--;
            if (length == 0)
                length = width;
        }
        printf("%*s%.*s\n", indent, "", (int)length, text);
        text += length;
        text += strspn(text, " ");
    }
}

static int print_table(const struct request *request)
{
    struct mpress_option option;
    for (size_t i = 0; read_option(request, i, &option); i++) {
        printf("%c %s=%s\n", option.is_default ? ' ' : '*', option.variable, option.value);
        print_wrapped(option.values, 6, 72);
        print_wrapped(option.help, 6, 72);
    }
    return CLI_OK;
}

static int print_json(const struct request *request)
{
    json_t *rows = json_array();
    struct mpress_option option;
    for (size_t i = 0; read_option(request, i, &option); i++)
        json_array_append_new(rows,
                              json_pack("{s:s,s:s,s:s,s:s,s:b}", "variable", option.variable,
                                        "value", option.value, "values", option.values, "help",
                                        option.help, "is_default", option.is_default));
    json_t *root = json_pack("{s:s,s:s,s:o}", "schema", "mpress-options/1", "library",
                             mpress_version(), "options", rows);
    return values_print(root, 0);
}

/* -- the second start ------------------------------------------------------------------------- */

static int restart_under_library(const struct request *request)
{
    char library[PLACE_BYTES];
    if (place_find_library(library) != 0) {
        cli_say("%s: there is no such library (MPRESS_LIBRARY can name it)", library);
        return CLI_FAILED;
    }
    if (!place_can_preload(library) || place_preload(library) != 0) {
        cli_say("%s: a path with a blank or a colon cannot be said in LD_PRELOAD", library);
        return CLI_FAILED;
    }
    char preloaded[128] = "--preloaded";
    const char *trace = getenv("MPRESS_TRACE");
    if (trace != NULL)
        snprintf(preloaded, sizeof preloaded, "--preloaded=%s", trace);
    unsetenv("MPRESS_TRACE");
    unsetenv("MPRESS_LIBRARY");
    char *arguments[] = {"mpress", "options", preloaded, request->json ? "--json" : NULL, NULL};
    execv("/proc/self/exe", arguments);
    cli_say("cannot start again under %s", library);
    return CLI_FAILED;
}

int options_main(int argc, char **argv)
{
    struct request request = {0};
    int status = parse(argc, argv, &request);
    if (status != CLI_GO_ON)
        return status;
    if (!request.is_preloaded)
        return restart_under_library(&request);
    if (mpress_option_read == NULL || mpress_version == NULL) {
        cli_say("the library was not loaded, or is not one of mpress");
        return CLI_FAILED;
    }
    return cli_finish(request.json ? print_json(&request) : print_table(&request));
}
