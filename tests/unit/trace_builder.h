/* trace_builder.h - writes trace files for tests, from format.h alone: a second opinion on the
 * format beside the library's own recorder. A builder is used by one thread; lanes 2, 3, ... are
 * begun by their first event. Time is a counter that every event moves by 10 ns. */
#ifndef MPRESS_TESTS_UNIT_TRACE_BUILDER_H
#define MPRESS_TESTS_UNIT_TRACE_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/format.h"

enum {
    BUILDER_LANES = 70,
    BUILDER_TIMELINE = BUILDER_LANES - 1, /* in the file it is TRACE_LANE_TIMELINE */
};

struct builder_lane {
    size_t block; /* offset of its open block in the image; 0: none yet */
    size_t used;  /* payload bytes of it */
    uint32_t sequence;
    uint64_t epoch;
    uint64_t events; /* so far */
    uint32_t tid;
    char name[TRACE_NAME_BYTES];
    uint64_t time_ns;
    uint64_t freed_at;
    uint64_t ip;
    unsigned events_since_time;
    uint64_t stacks[TRACE_SLOTS];
    uint64_t sizes[TRACE_SLOTS];
    uint64_t alloc_at[TRACE_SLOTS];
    uint64_t recent[TRACE_RECENT_SLOTS];
};

struct builder {
    unsigned char *image;
    size_t bytes;
    size_t capacity;
    unsigned shift;
    bool has_timeline; /* what recurs goes there */
    bool is_near;      /* NEAR records where they can be */
    uint64_t now_ns;
    uint64_t epoch;
    uint64_t events;
    uint64_t dropped;
    uint64_t nodes;
    struct builder_lane lanes[BUILDER_LANES];
};

void builder_init(struct builder *builder);
void builder_fini(struct builder *builder);

/* The header in the image, to be changed at will. */
struct trace_header *builder_header(struct builder *builder);

void builder_alloc(struct builder *builder, unsigned lane, uint64_t address, uint64_t size,
                   uint32_t stack, unsigned alignment_log2, unsigned bits);
void builder_free(struct builder *builder, unsigned lane, uint64_t address);
void builder_realloc(struct builder *builder, unsigned lane, uint64_t old, uint64_t address,
                     uint64_t size, uint32_t stack);

/* Draws the next epoch. */
void builder_sync(struct builder *builder, unsigned lane);
void builder_thread(struct builder *builder, unsigned lane, enum trace_thread_kind kind,
                    uint64_t tid, const char *name);
void builder_failed(struct builder *builder, unsigned lane, uint32_t stack, uint64_t size);
void builder_dropped(struct builder *builder, unsigned lane, uint64_t count);

/* A record of transaction `number`: the fields behind that, and a name or NULL. */
void builder_txn(struct builder *builder, unsigned lane, enum trace_other_kind kind,
                 uint64_t number, const uint64_t *fields, size_t count, const char *name);

/* Any bytes as one record. */
void builder_raw(struct builder *builder, unsigned lane, const void *bytes, size_t count);

/* Returns the node's id. */
uint32_t builder_node(struct builder *builder, uint32_t parent, uint64_t ip);
uint32_t builder_exact_node(struct builder *builder, uint32_t parent, uint64_t ip);

void builder_info(struct builder *builder, enum trace_info type, const void *payload, size_t bytes);
void builder_module(struct builder *builder, uint64_t time_ns, uint64_t bias, uint64_t start,
                    uint64_t end, const char *path);
void builder_mark(struct builder *builder, const char *label);

void builder_mapped(struct builder *builder, uint64_t start, uint64_t bytes, uint32_t stack,
                    unsigned bits);
void builder_unmapped(struct builder *builder, uint64_t start, uint64_t bytes);

/* A table of areas at the present time, in as many records as areas. */
struct builder_area {
    enum trace_area_kind kind;
    uint64_t start, bytes, resident, anonymous, swapped; /* multiples of 4096 */
    const char *name;                                    /* NULL: none */
    bool is_counted;                                     /* OWN: with `resident` */
};
void builder_areas(struct builder *builder, enum trace_areas_reason reason,
                   const struct builder_area *areas, size_t count);
void builder_sample(struct builder *builder, const struct trace_sample *sample);

/* A look at a block of calloc. */
void builder_unwritten(struct builder *builder, unsigned bits, uint32_t stack, uint64_t size,
                       uint64_t untouched, uint64_t zero);

/* Closes the lane's block: its next record begins a new one. */
void builder_close_block(struct builder *builder, unsigned lane);

/* The end record, and all blocks closed. Without it the file is that of a killed process. */
void builder_end(struct builder *builder, enum trace_end_reason reason);

/* Writes the image to a new temporary file; its path is the caller's, to be freed. */
char *builder_write(const struct builder *builder);

#endif
