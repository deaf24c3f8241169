/* writer.c - see writer.h */
#include "tools/replay/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/replay/scratch.h"
#include "tools/trace/memory.h"

enum {
    FIRST_WORDS = 1 << 16,
    CHUNK_WORDS_LEAST = 32, /* many threads do little in a window */
    CHUNK_WORDS_MOST = 1 << 13,
    JUMP_WORDS = 2,
    OPERATION_WORDS_MOST = 3, /* a long size and an operand; PROGRAM_TXN_BEGIN */
};

int writer_init(struct writer *writer)
{
    *writer = (struct writer){.at = sizeof(struct program_header), .fd = scratch_open()};
    if (writer->fd < 0)
        writer->error = errno;
    writer->words = memory_alloc(FIRST_WORDS, sizeof(*writer->words));
    writer->capacity = FIRST_WORDS;
    return writer->error;
}

void writer_fini(struct writer *writer)
{
    free(writer->words);
    free(writer->parts);
    free(writer->threads);
    free(writer->ends);
}

/* -- threads and their parts ------------------------------------------------------------------ */

uint32_t writer_add_thread(struct writer *writer, uint32_t tid)
{
    size_t index = writer->thread_count++;
    writer->threads =
        memory_grow(writer->threads, index, &writer->thread_capacity, sizeof(*writer->threads));
    writer->ends = memory_grow(writer->ends, index, &writer->end_capacity, sizeof(*writer->ends));
    writer->threads[index] = (struct program_thread){
        .successor = PROGRAM_NO_THREAD, .next_spawned = PROGRAM_NO_THREAD, .tid = tid};
    return (uint32_t)index;
}

struct program_thread *writer_thread(struct writer *writer, uint32_t thread)
{
    return &writer->threads[thread];
}

static void make_chunk(struct writer *writer, struct writer_end *end, uint32_t words)
{
    while (writer->capacity - writer->used < words)
        writer->words =
            memory_grow(writer->words, writer->capacity, &writer->capacity, sizeof(*writer->words));
    *end = (struct writer_end){
        .at = (uint32_t)writer->used, .end = (uint32_t)writer->used + words, .words = words};
    writer->used += words;
}

void writer_begin_part(struct writer *writer, uint32_t thread)
{
    struct writer_end *end = &writer->ends[thread];
    writer->parts = memory_grow(writer->parts, writer->part_count, &writer->part_capacity,
                                sizeof(*writer->parts));
    make_chunk(writer, end, CHUNK_WORDS_LEAST);
    writer->parts[writer->part_count++] = (struct program_part){thread, end->at};
}

/* -- operations ------------------------------------------------------------------------------- */

static uint64_t control_word(enum program_control control)
{
    return PROGRAM_CONTROL | (uint64_t)control << PROGRAM_SIZE_SHIFT;
}

/* Makes sure that a whole operation fits into the thread's chunk. */
static void make_room(struct writer *writer, uint32_t thread)
{
    struct writer_end *end = &writer->ends[thread];
    if (end->end - end->at >= OPERATION_WORDS_MOST + JUMP_WORDS)
        return;
    uint32_t jump = end->at;
    make_chunk(writer, end, end->words < CHUNK_WORDS_MOST ? 2 * end->words : end->words);
    writer->words[jump] = control_word(PROGRAM_JUMP);
    writer->words[jump + 1] = end->at;
}

void writer_put_word(struct writer *writer, uint32_t thread, uint64_t word)
{
    writer->words[writer->ends[thread].at++] = word;
}

void writer_put(struct writer *writer, uint32_t thread, unsigned op_and_flag, uint32_t slot,
                uint64_t size)
{
    make_room(writer, thread);
    uint64_t field = size < PROGRAM_SIZE_FOLLOWS ? size : PROGRAM_SIZE_FOLLOWS;
    writer_put_word(writer, thread,
                    op_and_flag | field << PROGRAM_SIZE_SHIFT |
                        (uint64_t)slot << PROGRAM_SLOT_SHIFT);
    if (field == PROGRAM_SIZE_FOLLOWS)
        writer_put_word(writer, thread, size);
}

void writer_put_control(struct writer *writer, uint32_t thread, enum program_control control,
                        uint64_t operand)
{
    make_room(writer, thread);
    writer_put_word(writer, thread, control_word(control));
    writer_put_word(writer, thread, operand);
}

/* -- the file --------------------------------------------------------------------------------- */

bool writer_is_full(const struct writer *writer)
{
    return writer->used >= PROGRAM_WINDOW_WORDS;
}

/* Returns where it is. */
static uint64_t append(struct writer *writer, const void *from, size_t bytes)
{
    uint64_t at = writer->at;
    if (writer->error == 0)
        writer->error = scratch_write(writer->fd, from, bytes, at);
    writer->at += bytes;
    return at;
}

void writer_end_window(struct writer *writer, struct program_window *window)
{
    for (size_t i = 0; i < writer->part_count; i++)
        writer_put_word(writer, writer->parts[i].thread, control_word(PROGRAM_WINDOW));
    window->words = (uint32_t)writer->used;
    window->participants = (uint32_t)writer->part_count;
    window->at = append(writer, writer->words, writer->used * sizeof(*writer->words));
    append(writer, writer->parts, writer->part_count * sizeof(*writer->parts));
    if (writer->at - window->at > writer->window_bytes)
        writer->window_bytes = writer->at - window->at;
    writer->used = writer->part_count = 0;
}

int writer_finish(struct writer *writer, struct program_header *header,
                  const struct program_window *windows)
{
    header->magic = PROGRAM_MAGIC;
    header->threads = (uint32_t)writer->thread_count;
    header->threads_at =
        append(writer, writer->threads, writer->thread_count * sizeof(*writer->threads));
    header->windows_at = append(writer, windows, header->windows * sizeof(*windows));
    header->window_bytes = writer->window_bytes;
    header->bytes = writer->at;
    if (writer->error == 0)
        writer->error = scratch_write(writer->fd, header, sizeof(*header), 0);
    return writer->error;
}
