/* stream.c - the program's file, of which one window at a time is in memory.
 *
 * It is read into memory that is there from the start, while all threads stand still between two
 * windows, in time that does not count: so neither the heap's time nor its resident memory shows
 * it. What is read next is fetched from disk while the threads run. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/replay/child/child.h"

static struct {
    int fd;
    struct program_header header;
    uint64_t *words; /* header.window_bytes */
} stream;

static void read_at(void *to, size_t bytes, uint64_t at)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(stream.fd, (char *)to + done, bytes - done, (off_t)(at + done));
        if (got == 0 || (got < 0 && errno != EINTR))
            child_fail("the program cannot be read: %s",
                       got == 0 ? "its file was cut short" : strerror(errno));
        done += got > 0 ? (size_t)got : 0;
    }
}

static void *make_room(size_t bytes)
{
    void *start = mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (start == MAP_FAILED)
        child_fail("%zu bytes cannot be mapped: %s", bytes, strerror(errno));
    return start;
}

static void *read_table(size_t bytes, uint64_t at)
{
    void *table = make_room(bytes);
    read_at(table, bytes, at);
    return table;
}

void stream_init(int fd)
{
    struct program_header *header = &stream.header;
    stream.fd = fd;
    read_at(header, sizeof(*header), 0);
    if (header->magic != PROGRAM_MAGIC)
        child_fail("no program of this version");
    child.program = header;
    child.threads = read_table(header->threads * sizeof(*child.threads), header->threads_at);
    child.windows = read_table(header->windows * sizeof(*child.windows), header->windows_at);
    stream.words = make_room(header->window_bytes);
    child.words = stream.words;
}

static size_t count_bytes(const struct program_window *window)
{
    return window->words * sizeof(uint64_t) + window->participants * sizeof(struct program_part);
}

const struct program_part *stream_read(uint32_t window)
{
    const struct program_window *now = &child.windows[window];
    read_at(stream.words, count_bytes(now), now->at);
    if (window + 1 < child.program->windows)
        posix_fadvise(stream.fd, (off_t)now[1].at, (off_t)count_bytes(&now[1]),
                      POSIX_FADV_WILLNEED);
    return (const void *)(stream.words + now->words);
}
