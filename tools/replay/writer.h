/* writer.h - puts a program together in a growing memory file: threads and chunks of operations. */
#ifndef MPRESS_TOOLS_REPLAY_WRITER_H
#define MPRESS_TOOLS_REPLAY_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "tools/replay/program.h"

/* Where the next word of a thread goes. Its chunk always has room for a JUMP. */
struct writer_end {
    uint64_t at;  /* index in words */
    uint64_t end; /* of the chunk */
};

struct writer {
    int fd;
    int error;       /* errno value of the first failure; writing goes nowhere from then on */
    uint64_t *words; /* the mapping */
    uint64_t used;   /* words */
    uint64_t capacity;
    struct program_thread *threads;
    struct writer_end *ends; /* by thread */
    size_t thread_count;
    size_t thread_capacity;
    size_t end_capacity;
};

int writer_init(struct writer *writer);

/* Returns the thread's number. */
uint32_t writer_add_thread(struct writer *writer, uint32_t window, uint32_t tid);

/* Good until the next one is added. */
struct program_thread *writer_thread(struct writer *writer, uint32_t thread);

void writer_put(struct writer *writer, uint32_t thread, unsigned op_and_flag, uint32_t slot,
                uint64_t size);
void writer_put_word(struct writer *writer, uint32_t thread, uint64_t word);
void writer_put_control(struct writer *writer, uint32_t thread, enum program_control control,
                        uint64_t operand);

/* Appends the tables, fills in the rest of the header. 0: fd and words are the caller's now. Else
 * an errno value: everything is given back. */
int writer_finish(struct writer *writer, struct program_header *header,
                  const struct program_window *windows);

#endif
