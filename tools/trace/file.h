/* file.h - an open trace as the parts of the reader see it; users see trace.h only.
 *
 * mapping.c maps the file, or the two that a trace is in while it is being packed; file.c sorts its
 * blocks into lanes; payloads.c says what is in a block; info.c and stacks.c read lanes 0 and 1 at
 * once; cursor.c decodes event lanes when a visit wants them. */
#ifndef MPRESS_TOOLS_TRACE_FILE_H
#define MPRESS_TOOLS_TRACE_FILE_H

#include "tools/trace/mapping.h"
#include "tools/trace/packed.h"
#include "tools/trace/trace.h"

/* A block that is worth reading. What its header said is copied: a file may change under us. */
struct file_block {
    uint32_t index; /* in the file */
    uint32_t lane;
    uint32_t sequence;
    uint32_t limit;    /* payload bytes that may be read */
    bool is_open;      /* it ends at the first zero byte, not at `limit` */
    bool is_after_gap; /* blocks of this lane before it are missing or damaged */
    uint32_t tid;      /* of the thread that goes on in it; 0: none */
    uint64_t time_ns;
    uint64_t epoch;
    uint64_t events;                  /* of the lane before it */
    const struct packed_frame *frame; /* where it is packed; NULL: in the trace itself */
    uint32_t place;                   /* in the frame */
};

/* The blocks of one lane, in order: blocks[first] .. blocks[first + count - 1]. */
struct file_lane {
    uint32_t lane;
    uint32_t count;
    size_t first;
    bool is_cut; /* its last blocks are missing or damaged */
};

/* A copy of some bytes of the file. */
struct file_piece {
    unsigned char *at;
    size_t bytes;
};

/* Where a sum of trace_facts.unwritten is. */
struct unwritten_sums {
    uint32_t *slot;  /* its number + 1; 0: free */
    size_t slots;    /* a power of two, more than twice the sums; or 0 */
    size_t capacity; /* of the sums */
};

struct trace {
    char *path;
    struct mapping mapping;
    size_t bytes;              /* of the trace, unpacked */
    struct file_block *blocks; /* by lane, then sequence */
    size_t block_count;
    size_t block_capacity;
    struct file_lane *lanes; /* by number */
    size_t lane_count;
    const struct file_lane *event_lanes; /* the tail of `lanes` */
    uint64_t event_bytes;                /* payload of all event lanes */
    struct trace_facts facts;
    size_t module_capacity;
    bool modules_are_too_many;
    size_t sample_capacity;
    struct file_piece *lost_record; /* payloads of the LOST records of the last look */
    size_t lost_records, lost_capacity;
    bool lost_is_told; /* its LEAKS record was there */
    size_t leak_capacity;
    size_t mark_capacity;
    size_t pressure_capacity;
    struct unwritten_sums unwritten;
    char *command; /* what facts.argument points into */
    struct trace_end end;
    struct trace_signal signal;
    struct trace_costs costs;
    struct trace_latency latency;
    uint64_t *node_ips; /* by node id */
    uint32_t *node_parents;
    bool *node_is_exact;
    size_t node_ip_capacity;
    size_t node_parent_capacity;
    size_t node_is_exact_capacity;
    uint64_t nodes_gone; /* before the first that is there */
    char **warnings;
    size_t warning_count;
    size_t warning_capacity;
    size_t warnings_untold; /* beyond the most that are kept */
    size_t damaged;         /* blocks that could not be used */
};

/* Payload of a block that is not packed; payloads.h for all of them. */
static inline const unsigned char *file_raw_payload(const struct trace *trace, uint32_t index)
{
    return trace->mapping.base + TRACE_HEADER_BYTES + (size_t)index * TRACE_BLOCK_BYTES +
           TRACE_BLOCK_HEADER_BYTES;
}

/* The name of the thread that goes on in the block: TRACE_NAME_BYTES of the file. */
static inline const unsigned char *file_thread_name(const struct trace *trace,
                                                    const struct file_block *block)
{
    const struct trace_block_header *header =
        block->frame != NULL
            ? &packed_blocks(block->frame)[block->place].header
            : (const void *)(file_raw_payload(trace, block->index) - TRACE_BLOCK_HEADER_BYTES);
    return (const unsigned char *)header->name;
}

/* The blocks of lane `number`, or NULL. */
const struct file_lane *file_find_lane(const struct trace *trace, uint32_t number);

struct unpacker;

/* Adds a warning; the path is put before it. */
void file_warn(struct trace *trace, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A NUL-terminated copy in which control characters became '?': these texts go to terminals. */
char *file_copy_text(const unsigned char *text, size_t bytes);

void info_read(struct trace *trace, struct unpacker *unpacker);
void info_free(struct trace *trace);

/* unwritten.c: a record. */
struct payload;
void unwritten_take(struct trace *trace, struct payload *from);
void unwritten_free(struct trace *trace);

/* The next record of an info block, and the place behind it; NULL: it is cut. */
struct payload_record;
const unsigned char *info_take_record(const unsigned char *at, const unsigned char *end,
                                      struct payload_record *record);
bool info_is_at_end(const struct file_block *block, const unsigned char *at,
                    const unsigned char *end);

void stacks_read(struct trace *trace, struct unpacker *unpacker);

/* The tools' number of a node of the file; 0: none, or one that is not there. */
static inline uint32_t stacks_find(const struct trace *trace, uint64_t id)
{
    uint64_t own = id > trace->nodes_gone ? id - trace->nodes_gone : 0;
    return own < trace->facts.nodes ? (uint32_t)own : 0;
}

#endif
