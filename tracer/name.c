/* name.c - see name.h. */
#include "tracer/name.h"

#include <errno.h>
#include <string.h>

#include "allocators/base/os.h"
#include "allocators/base/say.h"

enum { NAME_TRIED = 1000 };

int name_make_absolute(const char *path, char absolute[NAME_BYTES])
{
    struct text text = {.at = absolute, .capacity = NAME_BYTES};
    if (path[0] != '/') {
        os_working_directory(absolute, NAME_BYTES);
        text.used = strlen(absolute);
        text_add(&text, "/");
    }
    text_add(&text, "%s", path);
    /* 40: room for two numbers */
    return text.used + 40 < NAME_BYTES ? 0 : ENAMETOOLONG;
}

/* Appends `pattern` up to `end` with every %p replaced. */
static void add_pattern(struct text *text, const char *pattern, const char *end)
{
    while (pattern < end) {
        if (pattern[0] == '%' && pattern + 1 < end && pattern[1] == 'p') {
            text_add(text, "%d", os_process_id());
            pattern += 2;
        } else {
            text_add(text, "%c", *pattern++);
        }
    }
}

/* Name number `attempt`. */
static void make_path(const char *pattern, unsigned attempt, struct text *text)
{
    const char *end = pattern + strlen(pattern);
    const char *dot = end;
    if (end - pattern > 4 && memcmp(end - 4, ".mpt", 4) == 0)
        dot = end - 4;
    add_pattern(text, pattern, dot);
    if (attempt >= 1)
        text_add(text, ".%d", os_process_id());
    if (attempt >= 2)
        text_add(text, ".%u", attempt);
    add_pattern(text, dot, end);
}

/* A device, a FIFO, a folder: nobody wants a trace beside it. */
static bool is_no_file(const char *path)
{
    char none;
    size_t bytes;
    return os_file_read(path, &none, sizeof(none), &bytes) == OS_FILE_NOT_REGULAR;
}

int name_create(const char *pattern, char path[NAME_BYTES], int *fd, void (*met)(const char *))
{
    int error = EEXIST;
    for (unsigned attempt = 0; attempt < NAME_TRIED && error == EEXIST; attempt++) {
        struct text text = {.at = path, .capacity = NAME_BYTES};
        make_path(pattern, attempt, &text);
        error = os_file_create(path, fd);
        if (error == EEXIST && is_no_file(path))
            return ENOTSUP;
        if (error == EEXIST && met != NULL)
            met(path);
    }
    return error;
}
