/* file.h - the file of a trace: its name, its header, and the blocks handed out of it.
 *
 * The file grows by windows of several blocks (window.h). Disk space is claimed before a window is
 * mapped, so a full disk is an error here and never a SIGBUS. A block is unmapped as soon as it is
 * full.
 *
 *     offset 0        4096                                     4096 + n * 64 KiB
 *     | header, stays | first window: 4 blocks | 8 | 16 | 16 ...
 *
 * Under a limit of the file or of each event lane (format.h, RING) blocks that were closed are used
 * again, oldest first: ring.h knows which.
 *
 * The descriptor may be closed behind our back by a program that tidies up, and its number may then
 * belong to something precious: it is compared with what was created before each use. */
#ifndef MPRESS_TRACER_FILE_H
#define MPRESS_TRACER_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "tracer/format.h"

/* A block in memory and in the file. */
struct file_block {
    unsigned char *start; /* NULL: none */
    uint64_t offset;      /* of its first byte in the file */
};

/* Remembers where traces go: made absolute, %p kept. 0 or ENAMETOOLONG. */
int file_set_path(const char *path);

/* Creates a file that did not exist and writes its header; `start` holds what the header says
 * apart from the constants. Says one line when it cannot. With `drops` a lack of room (full disk,
 * limits) is no error: file_full() tells of it, and room is asked for again. */
int file_create(const struct trace_header *start, bool drops);

/* The next block, zeroed; nothing but SIGKILL takes it away. It is a fresh one while the file may
 * and can grow, then the oldest that may be used again; if there is none, a fresh one beyond the
 * limit of the file. Without a start: the disk is full or the file was closed; file_error() tells.
 */
struct file_block file_take_block(void);

/* The file has as many blocks as it may: the next one is written over, if any may be. */
bool file_writes_over(void);

/* The oldest closed block of that lane, zeroed. Without a start: it has none. */
struct file_block file_reuse_block(uint32_t lane);

/* The block of that lane was closed; its memory is given back. */
void file_put_block(struct file_block block, uint32_t lane);

/* The same for the last block of a lane, which stays as it is: what is behind the payload that was
 * used gives its disk space back. */
void file_finish_block(struct file_block block, uint32_t used);

/* Shows every block handed out so far, mapped, to `visit` until that returns an error; its result.
 * In a ring nobody gets a block meanwhile: none is written over. Records may still be added, so a
 * block that is handed out meanwhile is not shown: its lane's one before may have been half full.
 */
typedef int file_visit(struct file_block block, void *context);
int file_visit_blocks(file_visit *visit, void *context);

/* Of a lane that has no open block: it has closed ones. In a ring only. */
bool file_has_blocks_of(uint32_t lane);

/* The header as it is now. */
void file_read_header(struct trace_header *header);

/* Cuts the file behind its last block and lets go of it; no block is handed out any more. */
void file_close(void);

/* In a forked child: forgets the parent's file without a trace of us in it. */
void file_abandon(void);

int file_error(void);

/* Why there is no room for another block at the moment; 0: there may be. */
int file_full(void);
const char *file_path(void);
uint64_t file_blocks(void);

/* The most blocks that the lane may have; 0: any number. */
uint32_t file_lane_blocks_most(uint32_t lane);

/* Closed blocks of event lanes and of the timeline are used again (format.h, RING). */
bool file_is_ring(void);

#endif
