/* state.c - results in a file, a line each, so that an interrupted sweep goes on where it was.
 *
 *     mpress-fail-nth 2 COMMAND ALLOCATIONS    what they are of, as hashes
 *     NUMBER MODE OUTCOME WAY CODE BYTES [ADDRESS...] */
#define _GNU_SOURCE /* fileno, ftruncate */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/sweep/sweep.h"

enum { LINE_BYTES = SWEEP_FRAMES_MOST * 20 + 128 };

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

/* A line that was cut short ends it: the run is done again, and its line shall not stand behind the
 * rest of that one. 0, or errno's value. */
static int read_results(struct sweep *sweep, FILE *file)
{
    char text[LINE_BYTES];
    struct sweep_result result;
    long whole = ftell(file);
    while (fgets(text, sizeof(text), file) != NULL && strchr(text, '\n') != NULL &&
           read_result(text, &result)) {
        *sweep_add(sweep) = result;
        whole = ftell(file);
    }
    return ftruncate(fileno(file), whole) == 0 ? 0 : errno;
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
    int error = 0;
    bool is_ours = true;
    if (fgets(found, sizeof(found), file) == NULL) {
        error = fputs(wanted, file) < 0 || fflush(file) != 0 ? errno : 0;
    } else {
        is_ours = strcmp(found, wanted) == 0;
        error = is_ours ? read_results(sweep, file) : 0;
    }
    if (!is_ours)
        cli_say("%s: %s", path,
                strncmp(found, "mpress-fail-nth ", 16) == 0
                    ? "is of another command, or that program changed"
                    : "is no file of results, and is left alone");
    if (error != 0)
        cli_say("%s: %s", path, strerror(error));
    fclose(file);
    return is_ours && error == 0 ? CLI_OK : CLI_USAGE;
}

/* The whole line or nothing of it. 0, or errno's value. */
static int append_line(const char *path, const char *line, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0)
        return errno;
    off_t before = lseek(fd, 0, SEEK_END);
    ssize_t written = write(fd, line, bytes);
    int error = written == (ssize_t)bytes ? 0 : written < 0 ? errno : ENOSPC;
    if (written > 0 && error != 0 && ftruncate(fd, before) != 0)
        error = errno;
    close(fd);
    return error;
}

void state_add(const struct sweep *sweep, const struct sweep_result *result)
{
    static bool is_told; /* once is enough: the sweep goes on, its results are shown */
    const char *path = sweep->options->state;
    char line[LINE_BYTES];
    if (path == NULL)
        return;
    int used = snprintf(line, sizeof(line), "%" PRIu64 " %u %u %u %d %" PRIu64, result->nth,
                        (unsigned)result->mode, (unsigned)result->outcome, (unsigned)result->way,
                        result->code, result->bytes);
    for (size_t i = 0; i < result->stack.frames; i++)
        used +=
            snprintf(line + used, sizeof(line) - (size_t)used, " %" PRIx64, result->stack.ip[i]);
    line[used++] = '\n';
    int error = append_line(path, line, (size_t)used);
    if (error != 0 && !is_told)
        cli_say("%s: not all results can be kept: %s", path, strerror(error));
    is_told = is_told || error != 0;
}
