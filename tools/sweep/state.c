/* state.c - results in a file, a line each, so that an interrupted sweep goes on where it was.
 *
 *     mpress-fail-nth 2 COMMAND ALLOCATIONS    what they are of, as hashes
 *     NUMBER MODE OUTCOME WAY CODE BYTES [ADDRESS...] */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"
#include "tools/sweep/sweep.h"

static uint64_t hash_command(const struct sweep *sweep)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (char **word = sweep->options->arguments; *word != NULL; word++) {
        for (const char *at = *word;; at++) {
            hash = (hash ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
            if (*at == '\0')
                break;
        }
    }
    return hash;
}

static void make_head(const struct sweep *sweep, char *head, size_t bytes)
{
    snprintf(head, bytes, "mpress-fail-nth 2 %016" PRIx64 " %" PRIu64 "\n", hash_command(sweep),
             sweep->census.calls);
}

static bool read_result(char *text, struct sweep_result *result)
{
    unsigned mode;
    unsigned outcome;
    unsigned way;
    int used = 0;
    *result = (struct sweep_result){0};
    if (sscanf(text, "%" SCNu64 " %u %u %u %d %" SCNu64 "%n", &result->nth, &mode, &outcome, &way,
               &result->code, &result->bytes, &used) != 6 ||
        mode >= SWEEP_MODES || outcome >= SWEEP_OUTCOMES || way >= SWEEP_WAYS || result->nth == 0)
        return false;
    result->mode = (enum sweep_mode)mode;
    result->outcome = (enum sweep_outcome)outcome;
    result->way = (enum sweep_way)way;
    char *end;
    for (char *at = text + used; result->stack.frames < SWEEP_FRAMES_MOST; at = end) {
        uint64_t ip = strtoull(at, &end, 16);
        if (end == at)
            break;
        result->stack.ip[result->stack.frames++] = ip;
    }
    return true;
}

/* A line that was cut short ends it: the run is done again. */
static void read_results(struct sweep *sweep, FILE *in)
{
    char text[SWEEP_FRAMES_MOST * 20 + 128];
    struct sweep_result result;
    while (fgets(text, sizeof(text), in) != NULL && strchr(text, '\n') != NULL &&
           read_result(text, &result))
        *sweep_add(sweep) = result;
}

int state_load(struct sweep *sweep)
{
    const char *path = sweep->options->state;
    char wanted[128];
    char found[128];
    FILE *file = path != NULL ? fopen(path, "a+e") : NULL;
    if (path == NULL)
        return CLI_OK;
    if (file == NULL) {
        cli_say("%s: %s", path, strerror(errno));
        return CLI_USAGE;
    }
    make_head(sweep, wanted, sizeof(wanted));
    rewind(file);
    int status = CLI_OK;
    if (fgets(found, sizeof(found), file) == NULL) {
        fputs(wanted, file);
    } else if (strcmp(found, wanted) == 0) {
        read_results(sweep, file);
    } else {
        cli_say("%s: is of another command, or that program changed", path);
        status = CLI_USAGE;
    }
    fclose(file);
    return status;
}

void state_add(const struct sweep *sweep, const struct sweep_result *result)
{
    FILE *file = sweep->options->state != NULL ? fopen(sweep->options->state, "ae") : NULL;
    if (file == NULL)
        return;
    fprintf(file, "%" PRIu64 " %u %u %u %d %" PRIu64, result->nth, (unsigned)result->mode,
            (unsigned)result->outcome, (unsigned)result->way, result->code, result->bytes);
    for (size_t i = 0; i < result->stack.frames; i++)
        fprintf(file, " %" PRIx64, result->stack.ip[i]);
    fputc('\n', file);
    fclose(file);
}
