/* sqlite_memory.c - see sqlite_memory.h. */
#include "tests/users/sqlite_memory.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OF_MALLOC = SQLITE_MEMORY_SIZES };

struct head { /* in front of every block; SQLite wants multiples of 8 */
    uint32_t bytes;
    uint32_t size; /* index of its list, or OF_MALLOC */
};

static _Thread_local struct sqlite_memory *current;

static uint32_t size_of(uint32_t bytes, uint32_t *rounded)
{
    if (bytes <= 1024) {
        *rounded = (bytes + 15) / 16 * 16;
        return *rounded / 16;
    }
    uint32_t shift = 31 - (uint32_t)__builtin_clz(bytes - 1) - 2;
    uint32_t steps = ((bytes - 1) >> shift) + 1; /* 5..8 */
    *rounded = steps << shift;
    return 64 + (shift - 8) * 4 + steps - 4;
}

static void *first_use(struct head *head, uint32_t bytes, uint32_t size)
{
    if (head == NULL)
        return NULL;
    *head = (struct head){bytes, size};
    return head + 1;
}

static void *allocate(int bytes)
{
    struct sqlite_memory *memory = current;
    uint32_t rounded, size = size_of((uint32_t)bytes, &rounded);
    if (memory == NULL)
        return first_use(malloc(sizeof(struct head) + rounded), rounded, OF_MALLOC);
    memory->live++;
    void *p = memory->free[size];
    if (p != NULL) {
        memcpy(&memory->free[size], p, sizeof(void *));
        return p;
    }
    return first_use(mpress_txn_alloc(memory->txn, sizeof(struct head) + rounded, 8), rounded,
                     size);
}

static void give(void *p)
{
    struct head *head = (struct head *)p - 1;
    if (head->size == OF_MALLOC) {
        free(head);
        return;
    }
    current->live--;
    memcpy(p, &current->free[head->size], sizeof(void *));
    current->free[head->size] = p;
}

static int usable(void *p)
{
    return p != NULL ? (int)((struct head *)p - 1)->bytes : 0;
}

static void *resize(void *p, int bytes)
{
    if (bytes <= usable(p))
        return p;
    void *moved = allocate(bytes);
    if (moved != NULL) {
        memcpy(moved, p, (size_t)usable(p));
        give(p);
    }
    return moved;
}

static int round_up(int bytes)
{
    uint32_t rounded;
    size_of((uint32_t)bytes, &rounded);
    return (int)rounded;
}

static int start(void *unused)
{
    (void)unused;
    return SQLITE_OK;
}

static void stop(void *unused)
{
    (void)unused;
}

int sqlite_memory_configure(void)
{
    static sqlite3_mem_methods methods = {.xMalloc = allocate,
                                          .xFree = give,
                                          .xRealloc = resize,
                                          .xSize = usable,
                                          .xRoundup = round_up,
                                          .xInit = start,
                                          .xShutdown = stop};
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}

void sqlite_memory_begin(struct sqlite_memory *memory)
{
    *memory = (struct sqlite_memory){.txn = mpress_txn_begin(NULL, "session", 0)};
    current = memory->txn != NULL ? memory : NULL;
}

void sqlite_memory_end(struct sqlite_memory *memory)
{
    current = NULL;
    if (memory->txn == NULL)
        return;
    if (memory->live != 0) {
        fprintf(stderr, "SQLite keeps %zu blocks of a session\n", memory->live);
        exit(1);
    }
    mpress_txn_rollback(memory->txn);
}
