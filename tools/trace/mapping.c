/* mapping.c - a trace that is being packed, or whose packing was cut short, is in two files: each
 * block in one of them at least. They are read under a shared lock of the trace: a packer gives
 * disk space back under an exclusive one, so a block that was seen stays where it was. */
#define _GNU_SOURCE
#include "tools/trace/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/trace/file.h"
#include "tools/trace/memory.h"

enum {
    TRIES = 5,
    AROUND_BYTES =
        64 * 1024, /* that the kernel maps at once where one is read: fault_around_bytes */
};

/* One file. */
struct piece {
    const unsigned char *base;
    size_t bytes;
    dev_t device;
    ino_t inode;
    int fd;
};

void mapping_set_error(struct trace_error *error, const char *path, const char *format, ...)
{
    char *clean = file_copy_text((const unsigned char *)path, strlen(path));
    int used = snprintf(error->text, sizeof(error->text), "%.256s: ", clean);
    free(clean);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text + used, sizeof(error->text) - (size_t)used, format, arguments);
    va_end(arguments);
}

char *mapping_name_packing(const char *path)
{
    char *name = memory_alloc(strlen(path) + sizeof(PACKED_SUFFIX), 1);
    sprintf(name, "%s" PACKED_SUFFIX, path);
    return name;
}

static bool map_piece(struct piece *piece, int fd, const char *path, struct trace_error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        mapping_set_error(error, path, "not a regular file; name a trace file");
        return false;
    }
    if (status.st_size == 0) {
        mapping_set_error(error, path, "empty; was the program killed while it started?");
        return false;
    }
    void *base = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (base == MAP_FAILED) {
        mapping_set_error(error, path, "cannot be mapped: %s", strerror(errno));
        return false;
    }
    *piece = (struct piece){base, (size_t)status.st_size, status.st_dev, status.st_ino, fd};
    return true;
}

static bool open_piece(struct piece *piece, const char *path, struct trace_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        mapping_set_error(error, path, "cannot be opened: %s", strerror(errno));
        return false;
    }
    bool is_mapped = map_piece(piece, fd, path, error);
    if (!is_mapped)
        close(fd);
    return is_mapped;
}

static void close_piece(const struct piece *piece)
{
    munmap((void *)(uintptr_t)piece->base, piece->bytes);
    close(piece->fd);
}

static bool is_packed(const struct piece *piece)
{
    uint64_t magic = 0;
    memcpy(&magic, piece->base, piece->bytes < sizeof(magic) ? piece->bytes : sizeof(magic));
    return magic == PACKED_MAGIC;
}

/* False: it does not say how long the trace is, or says what cannot be. */
static bool check_packed(struct mapping *mapping, const char *path, struct trace_error *error)
{
    const struct packed_header *header = &mapping->packed_header;
    const uint64_t most = TRACE_HEADER_BYTES + (uint64_t)UINT32_MAX * TRACE_BLOCK_BYTES;
    if (!packed_read_header(mapping->packed, mapping->packed_bytes, &mapping->packed_header))
        mapping_set_error(error, path,
                          "a packed trace of another format, or damaged in its header");
    else if (header->trace_bytes > most ||
             (header->trace_bytes != 0 && header->trace_bytes < TRACE_HEADER_BYTES))
        mapping_set_error(error, path, "damaged header: a trace of %llu bytes",
                          (unsigned long long)header->trace_bytes);
    else
        return true;
    return false;
}

/* Where the same process began to record at the same time. */
static bool is_of(const struct piece *part, const struct piece *trace)
{
    struct packed_header header;
    struct trace_header head;
    if (trace->bytes < sizeof(head) || !packed_read_header(part->base, part->bytes, &header))
        return false;
    memcpy(&head, trace->base, sizeof(head));
    return head.pid == header.head.pid && head.start_ns == header.head.start_ns &&
           head.start_wall_ns == header.head.start_wall_ns;
}

/* Adds what is packed of a trace. False: that has just taken the trace's place. */
static bool add_packing(struct mapping *mapping, const struct piece *trace, const char *path)
{
    struct trace_error error;
    struct piece part;
    struct stat status;
    char *name = mapping_name_packing(path);
    bool is_there = open_piece(&part, name, &error);
    free(name);
    if (is_there && is_of(&part, trace)) {
        mapping->packed = part.base;
        mapping->packed_bytes = part.bytes;
        close(part.fd);
        return packed_read_header(part.base, part.bytes, &mapping->packed_header);
    }
    if (is_there)
        close_piece(&part);
    return stat(path, &status) != 0 ||
           (status.st_dev == trace->device && status.st_ino == trace->inode);
}

bool mapping_open(struct mapping *mapping, const char *path, struct trace_error *error)
{
    for (unsigned tries = 0; tries < TRIES; tries++) {
        struct piece trace;
        *mapping = (struct mapping){.lock = -1};
        if (!open_piece(&trace, path, error))
            return false;
        if (is_packed(&trace)) {
            mapping->packed = trace.base;
            mapping->packed_bytes = trace.bytes;
            close(trace.fd);
            if (check_packed(mapping, path, error))
                return true;
            mapping_close(mapping);
            return false;
        }
        mapping->base = trace.base;
        mapping->bytes = trace.bytes;
        mapping->lock = trace.fd;
        (void)flock(mapping->lock, LOCK_SH); /* where files cannot be locked: as good as can be */
        if (add_packing(mapping, &trace, path))
            return true;
        mapping_close(mapping);
    }
    mapping_set_error(error, path, "changes all the time; try again");
    return false;
}

void mapping_close(const struct mapping *mapping)
{
    if (mapping->base != NULL)
        munmap((void *)(uintptr_t)mapping->base, mapping->bytes);
    if (mapping->packed != NULL)
        munmap((void *)(uintptr_t)mapping->packed, mapping->packed_bytes);
    if (mapping->lock >= 0)
        close(mapping->lock);
}

/* The part of [start, end) that lies in a piece, and what was mapped around it. */
static void forget(const unsigned char *base, size_t piece_bytes, uintptr_t start, uintptr_t end)
{
    uintptr_t first = (uintptr_t)base, last = first + piece_bytes;
    uintptr_t from = start & ~(uintptr_t)(AROUND_BYTES - 1);
    uintptr_t to = (end + AROUND_BYTES - 1) & ~(uintptr_t)(AROUND_BYTES - 1);
    from = from > first ? from : first;
    to = to < last ? to : last;
    if (base != NULL && from < to)
        madvise((void *)from, to - from, MADV_DONTNEED); /* advice: what is read again comes back */
}

void mapping_forget(const struct mapping *mapping, const void *start, size_t bytes)
{
    uintptr_t from = (uintptr_t)start;
    forget(mapping->base, mapping->bytes, from, from + bytes);
    forget(mapping->packed, mapping->packed_bytes, from, from + bytes);
}

bool mapping_read_head(const char *path, struct trace_header *head)
{
    struct packed_header packed;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    ssize_t got = pread(fd, &packed, sizeof(packed), 0);
    close(fd);
    if (got < (ssize_t)sizeof(*head))
        return false;
    if (packed_read_header((const unsigned char *)&packed, (size_t)got, &packed))
        memmove(head, &packed.head, sizeof(*head));
    else
        memcpy(head, &packed, sizeof(*head));
    return head->magic == TRACE_MAGIC;
}
