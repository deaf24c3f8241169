/* window.c - see window.h. */
#include "tracer/window.h"

#include <errno.h>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "tracer/closed.h"

enum {
    WINDOW_FIRST = 4, /* blocks: info, stacks, two threads; what a short process needs */
    WINDOW_MOST = 16, /* 1 MiB: making it costs 0.2 ns for each byte */
};

/* Blocks that nobody has yet; none: all zero. */
struct window {
    unsigned char *start; /* of the next one */
    uint32_t blocks;
};

static struct {
    struct lock lock;     /* taken while the lock of file.c is held, which may be dropped first */
    struct window now;    /* lock of file.c, as its end */
    struct window ahead;  /* lock */
    uint32_t next_blocks; /* of the next one to be made; lock */
    uint64_t end;         /* blocks up to the end of `now`; both locks for writing */
} windows = {.lock = LOCK_INIT(LOCK_RANK_TRACE_WINDOW)};

unsigned char *window_map_range(int fd, uint64_t from, size_t bytes)
{
    size_t slack = from & (os_page_bytes() - 1);
    unsigned char *mapped = os_file_map(fd, from - slack, bytes + slack);
    return mapped != NULL ? mapped + slack : NULL;
}

static void forget(void)
{
    windows.now = windows.ahead = (struct window){NULL, 0};
}

void window_begin(void)
{
    forget();
    windows.end = 0;
    windows.next_blocks = WINDOW_FIRST;
}

/* Claims disk space before it maps: what is stored into a window never meets a full disk. */
static int make(int fd)
{
    uint64_t from = windows.end == 0 ? 0 : window_block_offset(windows.end);
    uint64_t end = window_block_offset(windows.end + windows.next_blocks);
    int error = os_file_extend(fd, from, end - from);
    if (error != 0)
        return error;
    unsigned char *start = window_map_range(fd, from, (size_t)(end - from));
    if (start == NULL)
        return ENOMEM;
    if (windows.end == 0)
        start += TRACE_HEADER_BYTES;
    windows.ahead = (struct window){start, windows.next_blocks};
    if (windows.next_blocks < WINDOW_MOST)
        windows.next_blocks *= 2;
    return 0;
}

static int make_if_needed(int fd, uint64_t most)
{
    if (windows.ahead.start != NULL)
        return 0;
    if (windows.next_blocks > most - windows.end)
        windows.next_blocks = (uint32_t)(most - windows.end);
    return make(fd);
}

int window_add(int fd, uint64_t most)
{
    MP_ASSERT(windows.now.blocks == 0 && windows.end < most);
    lock_take(&windows.lock); /* waits for who is making one */
    int error = make_if_needed(fd, most);
    if (error == 0) {
        windows.now = windows.ahead;
        windows.end += windows.now.blocks;
        windows.ahead = (struct window){NULL, 0};
    }
    lock_drop(&windows.lock);
    return error;
}

unsigned char *window_header(void)
{
    return windows.now.start - TRACE_HEADER_BYTES;
}

uint32_t window_blocks(void)
{
    return windows.now.blocks;
}

uint64_t window_end(void)
{
    return windows.end;
}

unsigned char *window_take(void)
{
    MP_ASSERT(windows.now.blocks > 0);
    unsigned char *block = windows.now.start;
    windows.now.start += TRACE_BLOCK_BYTES;
    windows.now.blocks--;
    return block;
}

/* Half of a full one gives four threads on two processors 0.5 ms. */
bool window_wants_ahead(void)
{
    return windows.now.blocks == WINDOW_MOST / 2;
}

void window_begin_ahead(void)
{
    lock_take(&windows.lock);
}

/* What fails now is met again when the window is needed. */
void window_end_ahead(int fd)
{
    if (windows.ahead.start == NULL)
        (void)make(fd);
    lock_drop(&windows.lock);
}

static void unmap(const struct window *window)
{
    closed_unmap_range(window->start, (size_t)window->blocks * TRACE_BLOCK_BYTES);
}

void window_close(void)
{
    lock_take(&windows.lock);
    unmap(&windows.now);
    unmap(&windows.ahead);
    forget();
    lock_drop(&windows.lock);
}

void window_abandon(void)
{
    lock_reset(&windows.lock);
    forget();
}
