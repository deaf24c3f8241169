/* cursor.h - decodes the records of one event lane, one after another. */
#ifndef MPRESS_TOOLS_TRACE_CURSOR_H
#define MPRESS_TOOLS_TRACE_CURSOR_H

#include "tools/trace/file.h"
#include "tools/trace/payloads.h"

/* Kind of a THREAD record that no file has: the lane begins in the middle of this thread. */
enum { CURSOR_GOES_ON = 0 };

enum { CURSOR_SPANS = 65 };

/* A decoded record. TIME records are not among them: they are in time_ns. */
struct cursor_record {
    uint8_t op;             /* enum trace_op */
    uint8_t bits;           /* ALLOC, REALLOC: enum trace_alloc_bits */
    uint8_t alignment_log2; /* ALLOC, REALLOC */
    uint8_t kind;           /* THREAD: also CURSOR_GOES_ON; OTHER */
    uint32_t stack;
    union {
        struct {
            uint64_t units;     /* ALLOC, REALLOC: the address born; TXN_*: the number */
            uint64_t old_units; /* FREE, REALLOC: the address that dies; TXN_BEGIN, TXN_END: which
                                 * of cursor.txns has the rest */
        };
        unsigned char name[TRACE_NAME_BYTES]; /* THREAD: NAME, GOES_ON */
    };
    uint64_t size; /* bytes asked; SYNC: the epoch; THREAD: tid or length of the name;
                    * DROPPED: how many, 0: not known; TXN_BACK: blocks; TXN_ENTER: bytes */
    uint64_t time_ns;
};

/* What the records of transactions have beside their number (`units`): BEGIN and END. */
struct cursor_txn {
    union {
        struct trace_txn_begun begun; /* but for the name's number */
        struct trace_txn_ended ended;
    };
    size_t name_bytes;
    unsigned char name[TRACE_TXN_NAME_BYTES];
};

/* Where decoding of a lane stands, with the state that format.h describes. */
struct cursor {
    const struct trace *trace;
    const struct file_lane *lane;
    struct payloads *payloads;
    const struct file_block *block; /* the current one; NULL before the first */
    const unsigned char *start;     /* of its payload */
    const unsigned char *at;
    const unsigned char *end;
    uint32_t next_block;    /* of the lane */
    uint64_t passed_bytes;  /* payload of the blocks before the current one */
    bool is_gap_next;       /* say that events are missing before going on */
    bool is_thread_next;    /* say whose events go on in this block */
    uint32_t tid;           /* of the thread that is known to be at work; 0: none */
    uint32_t damaged_block; /* index in the file + 1 of the first bad record; 0: none */
    uint32_t damaged_byte;  /* and where in the block */
    uint64_t time_ns;
    uint64_t latest_ns; /* never runs backwards */
    uint64_t
        spans[CURSOR_SPANS]; /* records between readings of the clock 2^(n-1) <= ns < 2^n apart */
    uint64_t epoch;
    uint64_t near_units; /* of the header */
    uint64_t freed_at;
    uint32_t stacks[TRACE_SLOTS];
    uint64_t sizes[TRACE_SLOTS];
    uint64_t alloc_at[TRACE_SLOTS];
    uint64_t recent[TRACE_RECENT_SLOTS];
    struct cursor_txn *txns; /* of the records that the last call of cursor_fill left */
    size_t txn_count, txn_capacity;
};

void cursor_init(struct cursor *cursor, const struct trace *trace, const struct file_lane *lane,
                 struct unpacker *unpacker);
void cursor_fini(struct cursor *cursor);

/* Decodes records behind the *count ones that still wait for the next reading of the clock, until
 * there are `most`. How many of them have their times now, and so can be used: all, if there was no
 * reading. 0: the lane is over. */
size_t cursor_fill(struct cursor *cursor, struct cursor_record *records, size_t *count,
                   size_t most);

/* Payload bytes of the lane that lie behind us. */
uint64_t cursor_bytes(const struct cursor *cursor);

#endif
