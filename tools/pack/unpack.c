/* unpack.c - see unpack.h. */
#define _GNU_SOURCE
#include "tools/pack/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/pack/write.h"
#include "tools/trace/mapping.h"
#include "tools/trace/memory.h"

struct unpack {
    const char *path;
    char *name; /* of the file that is made */
    int fd;
    struct mapping mapping;
    struct packed_scratch *scratch;
    unsigned char payloads[PACKED_BLOCKS_MOST * TRACE_PAYLOAD_BYTES];
};

/* What a block has behind its end stays a hole. */
static int write_block(const struct unpack *unpack, const struct packed_block *block,
                       const unsigned char *payload)
{
    uint64_t end = unpack->mapping.packed_header.trace_bytes;
    uint64_t offset = TRACE_HEADER_BYTES + (uint64_t)block->index * TRACE_BLOCK_BYTES;
    uint64_t room = offset < end ? end - offset : 0;
    unsigned char start[sizeof(block->header)];
    memcpy(start, &block->header, sizeof(start));
    if (room < sizeof(start) + block->bytes)
        return block->bytes != 0 ? EBADMSG : write_at(unpack->fd, start, (size_t)room, offset);
    int failed = write_at(unpack->fd, start, sizeof(start), offset);
    return failed != 0 ? failed
                       : write_at(unpack->fd, payload, block->bytes, offset + sizeof(start));
}

static int write_frame(struct unpack *unpack, const struct packed_frame *frame)
{
    if (!packed_unpack(unpack->scratch, frame, unpack->payloads))
        return EBADMSG;
    int failed = 0;
    for (uint32_t i = 0; i < frame->blocks && failed == 0; i++)
        failed = write_block(unpack, &packed_blocks(frame)[i],
                             unpack->payloads + (size_t)i * TRACE_PAYLOAD_BYTES);
    return failed;
}

/* 0, errno, or -1: stopped. */
static int write_trace(struct unpack *unpack, unpack_tick *tick, void *context)
{
    const struct mapping *mapping = &unpack->mapping;
    const struct packed_header *header = &mapping->packed_header;
    if (header->trace_bytes == 0 || header->packed_bytes != mapping->packed_bytes)
        return EBADMSG;
    if (ftruncate(unpack->fd, (off_t)header->trace_bytes) != 0)
        return errno;
    int failed = write_at(unpack->fd, &header->head, sizeof(header->head), 0);
    const struct packed_frame *frame;
    size_t at = header->header_bytes;
    size_t skipped = 0;
    while (failed == 0 &&
           (frame = packed_next(mapping->packed, mapping->packed_bytes, &at, &skipped)) != NULL) {
        failed = write_frame(unpack, frame);
        if (failed == 0 && !tick(at, mapping->packed_bytes, context))
            failed = -1;
    }
    return failed == 0 && skipped != 0 ? EBADMSG : failed;
}

static int replace(const struct unpack *unpack)
{
    struct stat status;
    if (stat(unpack->path, &status) == 0 && fchmod(unpack->fd, status.st_mode & 07777) != 0)
        return errno;
    if (fsync(unpack->fd) != 0 || rename(unpack->name, unpack->path) != 0)
        return errno;
    return 0;
}

static enum unpack_result write_new(struct unpack *unpack, unpack_tick *tick, void *context,
                                    struct trace_error *error)
{
    unpack->fd = open(unpack->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (unpack->fd < 0) {
        mapping_set_error(error, unpack->name, "cannot be written: %s", strerror(errno));
        return UNPACK_FAILED;
    }
    int failed = write_trace(unpack, tick, context);
    if (failed == 0)
        failed = replace(unpack);
    if (failed != 0)
        unlink(unpack->name);
    close(unpack->fd);
    if (failed == EBADMSG)
        mapping_set_error(error, unpack->path, "is damaged; it can be read, but not unpacked");
    else if (failed > 0)
        mapping_set_error(error, unpack->name, "cannot be written: %s", strerror(failed));
    return failed < 0 ? UNPACK_STOPPED : failed > 0 ? UNPACK_FAILED : UNPACK_DONE;
}

static enum unpack_result unpack_mapping(struct unpack *unpack, unpack_tick *tick, void *context,
                                         struct trace_error *error)
{
    if (unpack->mapping.base == NULL)
        return write_new(unpack, tick, context, error);
    struct trace_header head = {0};
    if (unpack->mapping.bytes >= sizeof(head))
        memcpy(&head, unpack->mapping.base, sizeof(head));
    if (head.magic == TRACE_MAGIC && unpack->mapping.packed == NULL)
        return UNPACK_NOTHING_TO_DO;
    if (head.magic == TRACE_MAGIC)
        mapping_set_error(error, unpack->path, "is packed in part; `mpress pack` it first");
    else
        mapping_set_error(error, unpack->path, "not a trace; make traces with `mpress record`");
    return UNPACK_FAILED;
}

enum unpack_result unpack_trace(const char *path, unpack_tick *tick, void *context,
                                struct trace_error *error)
{
    struct unpack *unpack = memory_alloc(1, sizeof(*unpack));
    unpack->path = path;
    enum unpack_result result = UNPACK_FAILED;
    if (mapping_open(&unpack->mapping, path, error)) {
        unpack->name = memory_alloc(strlen(path) + sizeof(".unpacking"), 1);
        sprintf(unpack->name, "%s.unpacking", path);
        unpack->scratch = packed_scratch_create();
        result = unpack_mapping(unpack, tick, context, error);
        packed_scratch_destroy(unpack->scratch);
        mapping_close(&unpack->mapping);
        free(unpack->name);
    }
    free(unpack);
    return result;
}
