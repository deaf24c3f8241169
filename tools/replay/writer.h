/* writer.h - puts a program together in a file, window by window: only the one that is being
 * written is in memory. */
#ifndef MPRESS_TOOLS_REPLAY_WRITER_H
#define MPRESS_TOOLS_REPLAY_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/replay/program.h"

/* Where the next word of a thread goes. Its chunk always has room for a JUMP. */
struct writer_end {
    uint32_t at; /* index in the window */
    uint32_t end;
    uint32_t words; /* of the chunk; the next one has twice as many */
};

struct writer {
    int fd;
    int error;       /* errno value of the first failure; writing goes nowhere from then on */
    uint64_t at;     /* in the file, where this window goes */
    uint64_t *words; /* of this window */
    size_t used;
    size_t capacity;
    struct program_part *parts;
    size_t part_count;
    size_t part_capacity;
    struct program_thread *threads;
    struct writer_end *ends; /* by thread */
    size_t thread_count;
    size_t thread_capacity;
    size_t end_capacity;
    uint64_t window_bytes; /* of the largest window */
};

/* 0 or an errno value. */
int writer_init(struct writer *writer);

/* Returns the thread's number. */
uint32_t writer_add_thread(struct writer *writer, uint32_t tid);

/* Good until the next one is added. */
struct program_thread *writer_thread(struct writer *writer, uint32_t thread);

/* The thread has a part in this window: what is put for it from now on. */
void writer_begin_part(struct writer *writer, uint32_t thread);

/* The window is large enough. */
bool writer_is_full(const struct writer *writer);

/* Ends all parts and writes them; fills in where they are. */
void writer_end_window(struct writer *writer, struct program_window *window);

void writer_put(struct writer *writer, uint32_t thread, unsigned op_and_flag, uint32_t slot,
                uint64_t size);
void writer_put_word(struct writer *writer, uint32_t thread, uint64_t word);
void writer_put_control(struct writer *writer, uint32_t thread, enum program_control control,
                        uint64_t operand);

/* Appends the tables, fills in the rest of the header. 0: the file is whole. Else an errno value.
 */
int writer_finish(struct writer *writer, struct program_header *header,
                  const struct program_window *windows);

/* The file is the caller's. */
void writer_fini(struct writer *writer);

#endif
