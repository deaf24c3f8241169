/* options.c - the storm's size and seed from the command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/stress/engine.h"

static bool set_option(struct stress_options *options, const char *name, uint64_t value)
{
    if (strcmp(name, "--seed") == 0)
        options->seed = value;
    else if (strcmp(name, "--threads") == 0 && value >= 1 && value <= 64)
        options->threads = (unsigned)value;
    else if (strcmp(name, "--generations") == 0)
        options->generations = (unsigned)value;
    else if (strcmp(name, "--operations") == 0)
        options->operations = (unsigned)value;
    else if (strcmp(name, "--forks") == 0)
        options->forks = (unsigned)value;
    else if (strcmp(name, "--most-bytes") == 0)
        options->most_bytes = (size_t)value;
    else if (strcmp(name, "--divisor") == 0 && value >= 1)
        options->operations = options->operations / (unsigned)value + 1;
    else
        return false;
    return true;
}

bool stress_read_options(int argc, char **argv, struct stress_options *options)
{
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 < argc && set_option(options, argv[i], strtoull(argv[i + 1], NULL, 0)))
            continue;
        fprintf(stderr, "no such option, or no value: %s\n", argv[i]);
        return false;
    }
    return true;
}
