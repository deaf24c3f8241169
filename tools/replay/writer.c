/* writer.c - see writer.h */
#define _GNU_SOURCE
#include "tools/replay/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/trace/memory.h"

enum {
    FIRST_WORDS = 1 << 16,
    CHUNK_WORDS_LEAST = 32, /* many threads are short */
    CHUNK_WORDS_MOST = 1 << 13,
    JUMP_WORDS = 2,
    OPERATION_WORDS_MOST = 3, /* PROGRAM_TXN_ALLOC */
};

int writer_init(struct writer *writer)
{
    *writer =
        (struct writer){.used = (sizeof(struct program_header) + 7) / 8, .capacity = FIRST_WORDS};
    writer->fd = memfd_create("mpress-replay-program", MFD_CLOEXEC);
    if (writer->fd < 0 || ftruncate(writer->fd, (off_t)(writer->capacity * 8)) != 0) {
        writer->error = errno;
        return errno;
    }
    void *map = mmap(NULL, writer->capacity * 8, PROT_READ | PROT_WRITE, MAP_SHARED, writer->fd, 0);
    writer->words = map == MAP_FAILED ? NULL : map;
    writer->error = map == MAP_FAILED ? errno : 0;
    return writer->error;
}

/* Room for that many words more; the mapping may move. */
static int reserve(struct writer *writer, uint64_t words)
{
    uint64_t wanted = writer->capacity;
    while (writer->error == 0 && writer->used + words > wanted)
        wanted *= 2;
    if (writer->error != 0 || wanted == writer->capacity)
        return writer->error;
    void *map = MAP_FAILED;
    if (ftruncate(writer->fd, (off_t)(wanted * 8)) == 0)
        map = mremap(writer->words, writer->capacity * 8, wanted * 8, MREMAP_MAYMOVE);
    if (map == MAP_FAILED) {
        writer->error = errno;
        return errno;
    }
    writer->words = map;
    writer->capacity = wanted;
    return 0;
}

static struct writer_end make_chunk(struct writer *writer, uint64_t words)
{
    if (reserve(writer, words) != 0)
        return (struct writer_end){0, 0};
    struct writer_end end = {writer->used, writer->used + words};
    writer->used += words;
    return end;
}

uint32_t writer_add_thread(struct writer *writer, uint32_t window, uint32_t tid)
{
    size_t index = writer->thread_count++;
    writer->threads =
        memory_grow(writer->threads, index, &writer->thread_capacity, sizeof(*writer->threads));
    writer->ends = memory_grow(writer->ends, index, &writer->end_capacity, sizeof(*writer->ends));
    writer->ends[index] = make_chunk(writer, CHUNK_WORDS_LEAST);
    writer->threads[index] = (struct program_thread){.first_word = writer->ends[index].at,
                                                     .first_window = window,
                                                     .successor = PROGRAM_NO_THREAD,
                                                     .next_spawned = PROGRAM_NO_THREAD,
                                                     .tid = tid};
    return (uint32_t)index;
}

struct program_thread *writer_thread(struct writer *writer, uint32_t thread)
{
    return &writer->threads[thread];
}

static uint64_t control_word(enum program_control control)
{
    return PROGRAM_CONTROL | (uint64_t)control << PROGRAM_SIZE_SHIFT;
}

/* Makes sure that a whole operation fits into the thread's chunk. */
static void make_room(struct writer *writer, uint32_t thread)
{
    struct writer_end *end = &writer->ends[thread];
    if (end->end - end->at >= OPERATION_WORDS_MOST + JUMP_WORDS || writer->error != 0)
        return;
    uint64_t words = 2 * (end->end - writer->threads[thread].first_word);
    words = words < CHUNK_WORDS_LEAST ? CHUNK_WORDS_LEAST : words;
    words = words > CHUNK_WORDS_MOST ? CHUNK_WORDS_MOST : words;
    struct writer_end next = make_chunk(writer, words);
    if (writer->error != 0)
        return;
    writer->words[end->at] = control_word(PROGRAM_JUMP);
    writer->words[end->at + 1] = next.at;
    *end = next;
}

void writer_put_word(struct writer *writer, uint32_t thread, uint64_t word)
{
    if (writer->error == 0)
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

static uint64_t append(struct writer *writer, const void *table, size_t bytes)
{
    struct writer_end place = make_chunk(writer, (bytes + 7) / 8);
    if (writer->error == 0 && bytes > 0)
        memcpy(&writer->words[place.at], table, bytes);
    return place.at * 8;
}

static void give_back(struct writer *writer)
{
    if (writer->words != NULL)
        munmap(writer->words, writer->capacity * 8);
    if (writer->fd >= 0)
        close(writer->fd);
    writer->words = NULL;
    writer->fd = -1;
}

int writer_finish(struct writer *writer, struct program_header *header,
                  const struct program_window *windows)
{
    header->magic = PROGRAM_MAGIC;
    header->threads = (uint32_t)writer->thread_count;
    header->threads_at =
        append(writer, writer->threads, writer->thread_count * sizeof(*writer->threads));
    header->windows_at = append(writer, windows, header->windows * sizeof(*windows));
    header->bytes = writer->used * 8;
    free(writer->threads);
    free(writer->ends);
    if (writer->error == 0 && ftruncate(writer->fd, (off_t)header->bytes) != 0)
        writer->error = errno;
    if (writer->error != 0) {
        give_back(writer);
        return writer->error;
    }
    memcpy(writer->words, header, sizeof(*header));
    munmap((char *)writer->words + ((header->bytes + 4095) & ~UINT64_C(4095)),
           writer->capacity * 8 - ((header->bytes + 4095) & ~UINT64_C(4095)));
    return 0;
}
