/* handed.c - see handed.h */
#define _GNU_SOURCE
#include "tools/replay/handed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/replay/scratch.h"
#include "tools/trace/memory.h"

int handed_init(struct handed *handed)
{
    *handed = (struct handed){.fd = scratch_open()};
    if (handed->fd < 0)
        return errno;
    handed->births = memory_alloc(PROGRAM_WINDOW_EVENTS_MOST, sizeof(*handed->births));
    return 0;
}

void handed_fini(struct handed *handed)
{
    free(handed->births);
    if (handed->fd >= 0)
        close(handed->fd);
}

static uint64_t place_of(const struct handed *handed)
{
    return (handed->window - 1) * sizeof(handed->bits);
}

static void begin_window(struct handed *handed, uint64_t first_birth)
{
    handed->window++;
    handed->first_birth = first_birth;
    handed->is_any = false;
    memset(handed->bits, 0, sizeof(handed->bits));
}

/* -- the first visit -------------------------------------------------------------------------- */

/* Windows without such objects are holes. */
static void keep_window(struct handed *handed)
{
    if (handed->is_any && handed->error == 0)
        handed->error =
            scratch_write(handed->fd, handed->bits, sizeof(handed->bits), place_of(handed));
}

void handed_note_window(struct handed *handed, uint64_t first_birth)
{
    keep_window(handed);
    begin_window(handed, first_birth);
}

void handed_note_birth(struct handed *handed, uint64_t object, uint32_t thread)
{
    handed->births[object - handed->first_birth] = thread;
}

void handed_note_death(struct handed *handed, uint64_t object, uint32_t thread)
{
    if (object < handed->first_birth)
        return;
    uint64_t index = object - handed->first_birth;
    if (handed->births[index] == thread)
        return;
    handed->bits[index / 8] |= (uint8_t)(1U << index % 8);
    handed->is_any = handed->is_any_ever = true;
}

int handed_settle(struct handed *handed)
{
    keep_window(handed);
    handed->window = 0;
    return handed->error;
}

/* -- the second visit ------------------------------------------------------------------------- */

void handed_recall_window(struct handed *handed, uint64_t first_birth)
{
    begin_window(handed, first_birth);
    if (!handed->is_any_ever)
        return;
    ssize_t got = pread(handed->fd, handed->bits, sizeof(handed->bits), (off_t)place_of(handed));
    if (got < 0)
        handed->error = errno;
}
