/* file.c - see file.h. */
#include "tracer/file.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "tracer/closed.h"
#include "tracer/name.h"
#include "tracer/ring.h"
#include "tracer/window.h"

enum {
    FILE_RETRY_NS = 20000000, /* a full disk is asked again 50 times a second */
    FILE_ASIDE_SHARE = 4,  /* of the blocks of a ring one in so many at most is the timeline's, */
    FILE_ASIDE_MOST = 256, /* and no more: 16 MiB are the samples of a week; the same for stacks */
};

static struct {
    struct lock lock;
    int fd;                      /* -1: none */
    struct os_identity identity; /* of the file created; never changes while it is open */
    struct trace_header *header; /* mapped; NULL: no file */
    uint64_t most;               /* blocks it may have; one more whenever none can be used; lock */
    uint32_t lane_most;          /* and each event lane; 0: any number; constant while open */
    uint32_t timeline_most;      /* and the timeline; */
    uint32_t stacks_most;        /* and the stack lane; likewise */
    bool drops;                  /* a lack of room may pass; likewise */
    uint64_t retry_ns;           /* not before this is room asked for again; lock */
    _Atomic int full;            /* 0, or why there is no room for the moment; lock for writing */
    bool is_ring;                /* closed blocks are used again; likewise */
    _Atomic uint64_t blocks;     /* handed out; lock for writing */
    _Atomic int error;           /* first failure of this file; 0: none */
    uint64_t process_start;      /* of header.process_start */
    uint64_t previous_trace_ns;  /* likewise */
    char pattern[NAME_BYTES];    /* absolute, with %p */
    char path[NAME_BYTES];
} file = {.lock = LOCK_INIT(LOCK_RANK_TRACE_FILE), .fd = -1};

int file_error(void)
{
    return atomic_load_explicit(&file.error, memory_order_relaxed);
}

int file_full(void)
{
    return atomic_load_explicit(&file.full, memory_order_relaxed);
}

const char *file_path(void)
{
    return file.path;
}

uint64_t file_blocks(void)
{
    return atomic_load_explicit(&file.blocks, memory_order_relaxed);
}

uint32_t file_lane_blocks_most(uint32_t lane)
{
    if (lane == TRACE_LANE_TIMELINE)
        return file.timeline_most;
    if (lane == TRACE_LANE_STACKS)
        return file.stacks_most;
    return trace_lane_has_events(lane) ? file.lane_most : 0;
}

bool file_is_ring(void)
{
    return file.is_ring;
}

int file_set_path(const char *path)
{
    return name_make_absolute(path, file.pattern);
}

/* -- windows ---------------------------------------------------------------------------------- */

/* True when the descriptor is still ours; if the program closed it, the name leads back to it. */
static bool descriptor_is_ours(void)
{
    if (file.fd >= 0 && os_file_is(file.fd, &file.identity))
        return true;
    file.fd = -1;
    int again;
    if (os_file_open(file.path, &again) != 0)
        return false;
    if (!os_file_is(again, &file.identity)) {
        os_file_close(again);
        return false;
    }
    file.fd = again;
    return true;
}

static bool is_at_limit(void)
{
    return window_blocks() == 0 && window_end() >= file.most;
}

static int add_window(void)
{
    if (is_at_limit())
        return EFBIG;
    return descriptor_is_ours() ? window_add(file.fd, file.most) : EBADF;
}

/* -- blocks ----------------------------------------------------------------------------------- */

static struct file_block no_block(int error)
{
    atomic_store_explicit(&file.error, error, memory_order_relaxed);
    return (struct file_block){NULL, 0};
}

/* Maps the oldest block of a lane, or RING_ANY_EVENTS, again. */
static struct file_block map_oldest(uint32_t lane)
{
    struct file_block block = {NULL, 0};
    uint64_t index;
    if (!ring_take(lane, &index))
        return block;
    if (!descriptor_is_ours())
        return no_block(EBADF);
    block.offset = window_block_offset(index);
    block.start = window_map_range(file.fd, block.offset, TRACE_BLOCK_BYTES);
    return block.start != NULL ? block : no_block(ENOMEM);
}

/* There is no room, for a moment at least. */
static void note_full(int error)
{
    bool may_pass = error == ENOSPC || error == EDQUOT || error == EFBIG;
    if (!file.drops || !may_pass) {
        (void)no_block(error);
        return;
    }
    file.retry_ns = os_time_coarse_ns() + FILE_RETRY_NS;
    atomic_store_explicit(&file.full, error, memory_order_relaxed);
}

static bool can_take(void)
{
    return file.header != NULL && file_error() == 0 &&
           (file_full() == 0 || os_time_coarse_ns() >= file.retry_ns);
}

static struct file_block take_fresh(void)
{
    uint64_t index = file_blocks();
    MP_ASSERT(index + window_blocks() == window_end());
    struct file_block block = {window_take(), window_block_offset(index)};
    atomic_store_explicit(&file.blocks, index + 1, memory_order_relaxed);
    file.header->blocks = index + 1;
    return block;
}

/* Makes a used block a fresh one, in the steps of format.h, RING. Nobody else knows of it. */
static void clear_block(struct file_block block)
{
    struct trace_block_header *header = (struct trace_block_header *)(void *)block.start;
    size_t bytes = TRACE_BLOCK_HEADER_BYTES + header->used;
    atomic_store_explicit((_Atomic uint32_t *)&header->used, 0, memory_order_release);
    atomic_store_explicit((_Atomic uint32_t *)&header->magic, 0, memory_order_release);
    atomic_thread_fence(memory_order_seq_cst); /* no byte is zeroed before the block is free */
    memset(block.start, 0, bytes);
}

/* All blocks are somebody's last ones: a limit never ends a trace. */
static int add_beyond_limit(void)
{
    file.most++;
    int error = add_window();
    if (error != 0)
        file.most--;
    return error;
}

static struct file_block take_any(bool *is_used)
{
    int error = window_blocks() == 0 ? add_window() : 0;
    struct file_block block = {NULL, 0};
    *is_used = error != 0;
    if (error != 0)
        block = map_oldest(RING_ANY_EVENTS);
    if (block.start != NULL || file_error() != 0)
        return block;
    if (error != 0 && is_at_limit())
        error = add_beyond_limit();
    *is_used = false;
    if (error == 0)
        return take_fresh();
    note_full(error);
    return block;
}

/* The descriptor for window_end_ahead, which is this thread's to call then; -1: it is not. (A ring
 * is mostly at its limit.) */
static int begin_ahead(void)
{
    if (file.is_ring || !window_wants_ahead() || !descriptor_is_ours())
        return -1;
    window_begin_ahead();
    return file.fd;
}

struct file_block file_take_block(void)
{
    struct file_block block = {NULL, 0};
    bool is_used = false;
    lock_take(&file.lock);
    if (can_take())
        block = take_any(&is_used);
    if (block.start != NULL)
        atomic_store_explicit(&file.full, 0, memory_order_relaxed);
    int fd = block.start != NULL ? begin_ahead() : -1;
    lock_drop(&file.lock);
    if (fd >= 0)
        window_end_ahead(fd);
    if (block.start != NULL && is_used)
        clear_block(block);
    return block;
}

bool file_writes_over(void)
{
    lock_take(&file.lock);
    bool writes_over = file.header != NULL && is_at_limit();
    lock_drop(&file.lock);
    return writes_over;
}

bool file_has_blocks_of(uint32_t lane)
{
    lock_take(&file.lock);
    bool has_any = ring_has(lane);
    lock_drop(&file.lock);
    return has_any;
}

struct file_block file_reuse_block(uint32_t lane)
{
    struct file_block block = {NULL, 0};
    lock_take(&file.lock);
    if (can_take())
        block = map_oldest(lane);
    lock_drop(&file.lock);
    if (block.start != NULL)
        clear_block(block);
    return block;
}

static int visit_block(uint64_t index, file_visit *visit, void *context)
{
    if (file.header == NULL || !descriptor_is_ours())
        return EBADF;
    struct file_block block = {.offset = window_block_offset(index)};
    block.start = window_map_range(file.fd, block.offset, TRACE_BLOCK_BYTES);
    if (block.start == NULL)
        return ENOMEM;
    int error = visit(block, context);
    closed_unmap_range(block.start, TRACE_BLOCK_BYTES);
    return error;
}

int file_visit_blocks(file_visit *visit, void *context)
{
    int error = 0;
    lock_take(&file.lock);
    uint64_t end = file_blocks();
    for (uint64_t index = 0; index < end && error == 0; index++) {
        error = visit_block(index, visit, context);
        if (!file.is_ring) { /* nothing is written over: let others have their blocks */
            lock_drop(&file.lock);
            lock_take(&file.lock);
        }
    }
    lock_drop(&file.lock);
    return error;
}

void file_read_header(struct trace_header *header)
{
    lock_take(&file.lock);
    if (file.header != NULL)
        *header = *file.header;
    lock_drop(&file.lock);
}

void file_put_block(struct file_block block, uint32_t lane)
{
    lock_take(&file.lock); /* whoever maps at the same address next does so behind us */
    closed_add(block.start);
    if (file.is_ring && lane != TRACE_LANE_INFO)
        ring_put((block.offset - TRACE_HEADER_BYTES) / TRACE_BLOCK_BYTES, lane);
    lock_drop(&file.lock);
}

void file_finish_block(struct file_block block, uint32_t used)
{
    closed_unmap_range(block.start, TRACE_BLOCK_BYTES);
    size_t page = os_page_bytes();
    uint64_t from = round_up(block.offset + TRACE_BLOCK_HEADER_BYTES + used, page);
    uint64_t end = round_down(block.offset + TRACE_BLOCK_BYTES, page);
    lock_take(&file.lock);
    if (from < end && file.header != NULL && descriptor_is_ours())
        os_file_punch(file.fd, from, end - from);
    lock_drop(&file.lock);
}

/* -- life of the file ------------------------------------------------------------------------- */

static void write_header(const struct trace_header *start)
{
    *file.header = *start;
    file.header->magic = 0;
    file.header->version = TRACE_VERSION;
    file.header->header_bytes = TRACE_HEADER_BYTES;
    file.header->block_bytes = TRACE_BLOCK_BYTES;
    file.header->page_bytes = (uint32_t)os_page_bytes();
    file.header->blocks = 0;
    file.header->previous_trace_ns = file.previous_trace_ns;
    /* release: whoever sees the magic sees the rest */
    atomic_store_explicit((_Atomic uint64_t *)&file.header->magic, TRACE_MAGIC,
                          memory_order_release);
}

/* A trace of this very process: it was another program then, or was traced before. */
static void note_previous(const char *path)
{
    union {
        char text[sizeof(struct trace_header) + 1];
        struct trace_header header;
    } of;
    size_t bytes;
    os_file_read(path, of.text, sizeof(of.text), &bytes);
    const struct trace_header *header = &of.header;
    if (bytes < sizeof(*header) || header->magic != TRACE_MAGIC ||
        header->version != TRACE_VERSION || header->copied_ns != 0 || file.process_start == 0)
        return;
    if (header->pid == (uint64_t)os_process_id() && header->process_start == file.process_start &&
        header->start_ns > file.previous_trace_ns)
        file.previous_trace_ns = header->start_ns;
}

static int create_and_map(void)
{
    file.previous_trace_ns = 0;
    int error = name_create(file.pattern, file.path, &file.fd, note_previous);
    if (error != 0)
        return error;
    window_begin();
    error = os_file_identity(file.fd, &file.identity);
    if (error == 0)
        error = add_window();
    if (error != 0) {
        os_file_remove(file.path);
        os_file_close(file.fd);
        file.fd = -1;
        return error;
    }
    file.header = (struct trace_header *)(void *)window_header();
    return 0;
}

static uint32_t least_of(uint32_t limit, uint32_t most)
{
    return limit != 0 && limit < most ? limit : most;
}

static void set_limits(const struct trace_header *start)
{
    uint32_t share = start->blocks_most / FILE_ASIDE_SHARE;
    uint32_t most = least_of(start->blocks_most != 0 && share < 2 ? 2 : share, FILE_ASIDE_MOST);
    uint32_t timeline = least_of(start->lane_blocks_most, most);
    file.most = start->blocks_most != 0 ? start->blocks_most : UINT32_MAX;
    file.lane_most = start->lane_blocks_most;
    file.is_ring = start->blocks_most != 0 || start->lane_blocks_most != 0;
    file.timeline_most = timeline > 2 ? timeline : 2;
    file.stacks_most = file.is_ring ? most : 0;
}

int file_create(const struct trace_header *start, bool drops)
{
    MP_ASSERT(file.header == NULL);
    atomic_store_explicit(&file.error, 0, memory_order_relaxed);
    atomic_store_explicit(&file.blocks, 0, memory_order_relaxed);
    file.drops = drops;
    atomic_store_explicit(&file.full, 0, memory_order_relaxed);
    set_limits(start);
    file.process_start = start->process_start;
    ring_clear();
    int error = create_and_map();
    if (error != 0)
        say("no trace: cannot create %s: %s", file.path, os_error_text(error));
    else
        write_header(start);
    return error;
}

void file_close(void)
{
    lock_take(&file.lock);
    closed_unmap();
    if (file.header != NULL) {
        window_close();
        if (descriptor_is_ours()) {
            os_file_truncate(file.fd, window_block_offset(file_blocks()));
            os_file_close(file.fd);
        }
        closed_unmap_range((unsigned char *)file.header, TRACE_HEADER_BYTES);
        file.header = NULL;
        file.fd = -1;
    }
    lock_drop(&file.lock);
}

void file_abandon(void)
{
    lock_reset(&file.lock);
    window_abandon();
    ring_abandon();
    if (file.fd >= 0 && os_file_is(file.fd, &file.identity))
        os_file_close(file.fd);
    file.fd = -1;
    file.header = NULL;
    closed_forget();
}
