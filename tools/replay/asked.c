/* asked.c - see asked.h */
#include "tools/replay/asked.h"

#include <stdbool.h>
#include <string.h>

/* "-f", "-qf": -j and -q take no value, so others may stand behind them. */
static bool names_file(const char *word)
{
    return word[0] == '-' && word[1 + strspn(word + 1, "jq")] == 'f';
}

/* "--name" or "--name=value". */
static bool is_named(const char *word, const char *name)
{
    size_t length = strlen(name);
    return strncmp(word, name, length) == 0 && (word[length] == '\0' || word[length] == '=');
}

enum asked asked_find(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (is_named(argv[i], "--fail-nth"))
            return ASKED_SWEEP;
        if (is_named(argv[i], "--under"))
            return ASKED_UNDER;
        if (is_named(argv[i], "--scenario") || is_named(argv[i], "--list") ||
            is_named(argv[i], "--file") || names_file(argv[i]))
            return ASKED_SCENARIO;
    }
    return ASKED_REPLAY;
}
