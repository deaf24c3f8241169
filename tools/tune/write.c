/* write.c - a profile as allocators/profile.h describes it, each line with its reason. */
#define _GNU_SOURCE /* mkstemp, fchmod */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/place.h"
#include "tools/tune/tune.h"
#include "tools/units.h"

#define FIRST_LINE "mpress-profile 1\n"

/* Nobody's file is overwritten but another profile. */
static bool may_write(const char *path)
{
    char line[sizeof FIRST_LINE] = "";
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return errno == ENOENT;
    size_t got = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    return got == 0 || strcmp(line, FIRST_LINE) == 0;
}

/* A path in a comment: what could end the comment is shown as '?'. */
static void print_path(const char *path, FILE *out)
{
    for (; *path != '\0'; path++)
        fputc((unsigned char)*path < ' ' ? '?' : *path, out);
}

static void print_exact(const struct exact *exact, FILE *out)
{
    fprintf(out, "class %u    # ", exact->bytes);
    fprintf(out, "%s of %u to %u bytes; ", units_plural(exact->requests, "request").at,
            exact->from + 1, exact->bytes);
    fprintf(out, "rounding takes %s on average, ", units_bytes((uint64_t)exact->after.mean).at);
    fprintf(out, "was %s\n", units_bytes((uint64_t)exact->before.mean).at);
}

static void print_warm(const struct warm *warm, FILE *out)
{
    fprintf(out, "warm %u %u    # ", warm->bytes, warm->rounds);
    fprintf(out, "of %s, ", units_plural(warm->calls, "call").at);
    fprintf(out, "%s to the slow door, ", units_count(warm->doors_after).at);
    fprintf(out, "was %s\n", units_count(warm->doors_before).at);
}

void tune_print_profile(const struct tuning *tuning, const char *trace, FILE *out)
{
    fputs(FIRST_LINE "# made by mpress tune from ", out);
    print_path(trace, out);
    fputs("\n# use: MPRESS_PROFILE=/path/of/this/file LD_PRELOAD=libmpress.so ./app\n", out);
    for (size_t i = 0; i < tuning->exacts; i++)
        print_exact(&tuning->exact[i], out);
    for (size_t i = 0; i < tuning->warms; i++)
        print_warm(&tuning->warm[i], out);
    fputs("end\n", out);
}

static int fail(const char *path, int error)
{
    cli_say("%s: the profile cannot be written: %s", path, strerror(error));
    return CLI_FAILED;
}

int tune_write(const struct tuning *tuning, const char *path, const char *trace)
{
    char temporary[PLACE_BYTES];
    if (!may_write(path)) {
        cli_say("%s: is there already and is no profile; name another file with -o", path);
        return CLI_FAILED;
    }
    int length = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (length < 0 || (size_t)length >= sizeof temporary)
        return fail(path, ENAMETOOLONG);
    int fd = mkstemp(temporary);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (out == NULL)
        return fail(path, errno);
    tune_print_profile(tuning, trace, out);
    fchmod(fd, 0644);
    bool is_written = fflush(out) == 0 && !ferror(out);
    if (fclose(out) == 0 && is_written && rename(temporary, path) == 0)
        return CLI_OK;
    int error = errno;
    unlink(temporary);
    return fail(path, error);
}
