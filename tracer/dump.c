/* dump.c - see dump.h.
 *
 * Blocks are copied word by word in rising order while their lanes go on: as a record's first byte
 * is stored last, all of a record is there whose first byte is. Event lanes come first: when they
 * are copied, the call stacks that they name are in the file already. Who is copied last has gone
 * on for longest, with blocks that others gave away behind their copies: so a copy ends, for all
 * lanes, where an epoch was drawn before the first was copied. What happened before any event of a
 * segment that is older than that had happened before the draw, and is copied (format.h, ORDER). */
#include "tracer/dump.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "tracer/file.h"
#include "tracer/name.h"

/* Untouched, it costs nothing. */
static struct dump {
    char pattern[NAME_BYTES];
    char path[NAME_BYTES];
    uint64_t block[TRACE_BLOCK_BYTES / 8]; /* the copy of one; at first of the header */
    int fd;
    uint64_t bytes; /* of the file so far */
    bool of_events; /* whether event lanes are copied now, or the other two */
    _Atomic bool is_busy;
} dump;

static int append(size_t bytes)
{
    int error = os_file_extend(dump.fd, dump.bytes, bytes);
    if (error == 0)
        error = os_write(dump.fd, dump.block, bytes);
    dump.bytes += bytes;
    return error;
}

/* A race that is meant: the block's writer goes on with plain stores, but for first bytes. */
__attribute__((no_sanitize("thread"))) static void
copy_words(uint64_t *to, const unsigned char *from, size_t words)
{
    for (size_t i = 0; i < words; i++) {
        to[i] = ((const volatile uint64_t *)(const void *)from)[i];
        atomic_thread_fence(memory_order_acquire); /* the words behind are loaded later */
    }
}

/* A block that was written over meanwhile is no longer what its copy says: then it is left out. It
 * was its lane's oldest. */
static int copy_block(struct file_block block, void *context)
{
    (void)context;
    union {
        uint64_t words[TRACE_BLOCK_HEADER_BYTES / 8];
        struct trace_block_header header;
    } now;
    copy_words(dump.block, block.start, TRACE_BLOCK_BYTES / 8);
    copy_words(now.words, block.start, TRACE_BLOCK_HEADER_BYTES / 8);
    const struct trace_block_header *copy = (const struct trace_block_header *)(void *)dump.block;
    bool is_same = copy->magic == TRACE_BLOCK_MAGIC && now.header.magic == TRACE_BLOCK_MAGIC &&
                   now.header.lane == copy->lane && now.header.sequence == copy->sequence;
    if (!is_same || (copy->lane >= TRACE_LANE_EVENTS) != dump.of_events)
        return 0;
    return append(TRACE_BLOCK_BYTES);
}

static int copy_all(uint64_t epoch)
{
    struct trace_header header;
    memset(&header, 0, sizeof(header));
    file_read_header(&header);
    header.copied_ns = os_time_ns();
    header.copied_epoch = epoch;
    memcpy(dump.block, &header, sizeof(header));
    int error = append(TRACE_HEADER_BYTES);
    dump.of_events = true;
    if (error == 0)
        error = file_visit_blocks(copy_block, NULL);
    dump.of_events = false;
    return error != 0 ? error : file_visit_blocks(copy_block, NULL);
}

static int make_pattern(const char *name)
{
    if (name != NULL)
        return name_make_absolute(name, dump.pattern);
    struct text text = TEXT_IN(dump.pattern);
    const char *trace = file_path();
    size_t length = strlen(trace);
    bool has_ending = length > 4 && strcmp(trace + length - 4, ".mpt") == 0;
    memcpy(dump.path, trace, length + 1);
    dump.path[has_ending ? length - 4 : length] = '\0';
    text_add(&text, "%s.dump.mpt", dump.path);
    return 0;
}

int dump_write(const char *name, uint64_t epoch)
{
    if (atomic_exchange_explicit(&dump.is_busy, true, memory_order_acquire))
        return EBUSY;
    dump.bytes = 0;
    int error = make_pattern(name);
    if (error == 0)
        error = name_create(dump.pattern, dump.path, &dump.fd, NULL);
    if (error == 0) {
        error = copy_all(epoch);
        os_file_close(dump.fd);
        if (error != 0)
            os_file_remove(dump.path);
    }
    atomic_store_explicit(&dump.is_busy, false, memory_order_release);
    return error;
}

void dump_abandon(void)
{
    atomic_store_explicit(&dump.is_busy, false, memory_order_relaxed);
}
