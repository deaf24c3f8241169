/* ladder.c - the library answers only inside a process that it is loaded in: so this program is
 * started once more under LD_PRELOAD, and prints what it is told into a pipe. */
#define _GNU_SOURCE /* setenv, unsetenv, fdopen */
#include "tools/tune/ladder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/mpress.h"
#include "tools/cli.h"
#include "tools/place.h"

int ladder_print(void)
{
    struct mpress_class class;
    if (mpress_class_read == NULL) {
        cli_say("the library was not loaded, or is an older one");
        return CLI_FAILED;
    }
    for (size_t i = 0; mpress_class_read(i, &class) == 0; i++)
        printf("%" PRIu64 " %u %u\n", class.bytes, class.first_rounds, class.most_rounds);
    return fflush(stdout) == 0 ? CLI_OK : CLI_FAILED;
}

/* -- the first start -------------------------------------------------------------------------- */

static _Noreturn void become_second(const char *library, int out)
{
    static const char *const unwanted[] = {"MPRESS_TRACE", "MPRESS_PROFILE", "MPRESS_STATS",
                                           "MPRESS_LIBRARY"};
    for (size_t i = 0; i < sizeof unwanted / sizeof unwanted[0]; i++)
        unsetenv(unwanted[i]);
    char *arguments[] = {"mpress", "tune", "--classes", NULL};
    if (dup2(out, STDOUT_FILENO) >= 0 && place_preload(library) == 0)
        execv("/proc/self/exe", arguments);
    _exit(CLI_FAILED);
}

static void read_rungs(struct ladder *ladder, FILE *in)
{
    struct rung rung;
    ladder->rungs = 0;
    while (ladder->rungs < LADDER_MOST &&
           fscanf(in, "%" SCNu32 " %" SCNu32 " %" SCNu32, &rung.bytes, &rung.first_rounds,
                  &rung.most_rounds) == 3) {
        if (rung.bytes <= LADDER_BYTES_MOST)
            ladder->rung[ladder->rungs++] = rung;
    }
}

static bool is_whole(const struct ladder *ladder)
{
    return ladder->rungs > 0 && ladder->rung[ladder->rungs - 1].bytes == LADDER_BYTES_MOST;
}

static bool read_from_second(struct ladder *ladder, const char *library)
{
    int pipes[2];
    if (pipe(pipes) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0)
        become_second(library, pipes[1]);
    close(pipes[1]);
    FILE *in = fdopen(pipes[0], "r");
    if (in != NULL) {
        read_rungs(ladder, in);
        fclose(in);
    }
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 && is_whole(ladder);
}

bool ladder_read(struct ladder *ladder)
{
    char library[PLACE_BYTES];
    if (place_find_library(library) != 0) {
        cli_say("%s: there is no such library (MPRESS_LIBRARY can name it)", library);
        return false;
    }
    if (!place_can_preload(library)) {
        cli_say("%s: a path with a blank or a colon cannot be said in LD_PRELOAD", library);
        return false;
    }
    if (read_from_second(ladder, library))
        return true;
    cli_say("%s: it does not tell its size classes; is it of this version?", library);
    return false;
}

/* -- sizes ------------------------------------------------------------------------------------ */

size_t ladder_find(const struct ladder *ladder, uint64_t bytes)
{
    size_t low = 0, high = ladder->rungs;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ladder->rung[middle].bytes < bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t ladder_point_bytes(size_t point)
{
    return (uint32_t)(point + 1) * LADDER_GRAIN;
}

size_t ladder_point_of(uint64_t bytes)
{
    return bytes == 0 ? 0 : (size_t)(bytes - 1) / LADDER_GRAIN;
}
