/* trace_decoder.h - reads a whole trace file into arrays; written from format.h alone, so that it
 * cannot share a mistake with the writer. Strict: the first thing that is not as the format says
 * ends the reading with a sentence in `error`. */
#ifndef MPRESS_TESTS_TRACE_DECODER_H
#define MPRESS_TESTS_TRACE_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tracer/format.h"

enum decoded_kind {
    DECODED_ALLOC = 1,
    DECODED_FREE,
    DECODED_REALLOC,
    DECODED_FAILED,
    DECODED_TXN_ALLOC,
    DECODED_TXN, /* the other records of transactions */
    DECODED_SYNC,
    DECODED_DROPPED,
    DECODED_START,
    DECODED_END,
    DECODED_NAME,
};

struct decoded_event {
    uint32_t kind;
    uint32_t bits; /* TRACE_ZEROED, TRACE_CPP, TRACE_IN_PLACE */
    uint64_t tid;
    uint64_t address; /* what was born or freed */
    uint64_t old;     /* REALLOC */
    uint64_t size;
    uint64_t alignment;
    uint64_t stack;
    uint64_t time_ns;
    uint64_t epoch;
    uint64_t count;                    /* DROPPED */
    uint64_t txn, txn_kind, values[6]; /* TXN: as in the file */
    char name[16];                     /* NAME */
};

struct decoded_node {
    uint64_t parent;
    uint64_t ip;
    bool is_exact;
};

struct decoded_record {
    unsigned type;
    size_t bytes;
    const unsigned char *payload;
};

struct decoded_lane {
    uint32_t number;
    uint32_t blocks;
    bool has_open_block;
    uint64_t older; /* events written over */
    struct decoded_event *events;
    size_t count;
};

struct decoded {
    unsigned char *file;
    size_t file_bytes;
    struct trace_header header;
    struct decoded_lane *lanes; /* event lanes, by number */
    size_t lane_count;
    uint64_t blocks; /* of all lanes */
    uint64_t timeline_blocks;
    bool is_timeline_late; /* its beginning was written over */
    uint64_t stack_blocks;
    uint64_t nodes_older;       /* written over */
    struct decoded_node *nodes; /* nodes[id - nodes_older]; [0] unused */
    size_t node_count;
    struct decoded_record *records;
    size_t record_count;
    char error[200]; /* empty: the file is right */
};

/* False: `error` says why. decoder_free is needed either way. */
bool decoder_read(struct decoded *decoded, const char *path);
void decoder_free(struct decoded *decoded);

/* The n-th info record of a type, or NULL. */
const struct decoded_record *decoder_find(const struct decoded *decoded, unsigned type, size_t n);

#endif
