/* packer.h - packs one trace, while it is recorded or afterwards.
 *
 *     TRACE           blocks as they are recorded; those that are packed may be holes
 *     TRACE.packing   the header, then whole frames
 *
 * What is in TRACE.packing was written before its place in TRACE is given back, so each block is
 * in one of the two whenever either process is killed; a reader takes both, and another packer
 * goes on where this one was. packer_complete puts the packed file in the place of the trace. */
#ifndef MPRESS_TOOLS_PACK_PACKER_H
#define MPRESS_TOOLS_PACK_PACKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/pack/frames.h"
#include "tools/trace/trace.h"

struct packer_candidate {
    uint32_t lane;
    uint32_t sequence;
    uint32_t index;
};

struct packer {
    char *path;
    char *packing; /* name of the other file */
    int trace_fd;
    int packing_fd;
    struct trace_header head;
    uint64_t trace_bytes;
    uint64_t packing_bytes;              /* whole frames; what lies behind is not ours */
    bool is_resumed;                     /* the packed file may hold what is in the trace no more */
    uint8_t *is_packed;                  /* by block */
    uint32_t blocks;                     /* known so far */
    uint32_t first;                      /* all blocks before it are packed */
    uint32_t packed;                     /* blocks */
    struct packer_candidate *candidates; /* blocks to be packed, by lane and sequence */
    size_t candidate_count;
    size_t candidate_next;
    size_t candidate_capacity;
    bool is_last; /* nobody writes any more: lanes' last blocks too */
    uint32_t *to_punch;
    size_t punch_count;
    size_t punch_capacity;
    unsigned char block[TRACE_BLOCK_BYTES];
};

/* NULL: *error tells. That the trace is packed already is no error: *is_packed. */
struct packer *packer_open(const char *path, bool *is_packed, struct trace_error *error);

/* Lets go of the trace. A packed file that nothing was taken out of the trace for is removed. */
void packer_close(struct packer *packer);

/* Whether the process of the trace lives and may write to it. */
bool packer_is_live(const struct packer *packer);

/* Finds what can be packed now: of each lane as many closed blocks as fill a frame; with `is_last`,
 * when nobody writes any more, everything. */
void packer_scan(struct packer *packer, bool is_last);

/* Packs a frame of what was found. The number of blocks; 0: there is no more; negative: -errno,
 * and both files are as they were. */
int packer_step(struct packer *packer, struct frames *frames);

/* Gives the disk space of packed blocks back, unless somebody reads the trace: then the next call
 * does. 0 or errno. */
int packer_punch(struct packer *packer);

/* All is packed: the packed file becomes the trace. `is_durable`: it would survive a power failure.
 * 0 or errno. */
int packer_complete(struct packer *packer, bool is_durable);

#endif
