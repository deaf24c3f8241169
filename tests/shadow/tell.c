/* tell.c - a program to be traced: threads that allocate, free, resize and hand blocks to each
 * other, and note what they did (told.h).
 *
 *     shadow_tell FILE EVENTS     EVENTS altogether, in four generations of eight threads */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/shadow/told.h"

enum { KEPT = 500, SHARED = 200 };

/* What a block says of itself, at its start. */
struct block {
    uint64_t owner;
    uint64_t number; /* of the owner's births */
    uint64_t bytes;
};

struct teller {
    struct told *told;
    uint64_t index;
    uint64_t random;
    uint64_t hash;
    uint64_t births;
    uint64_t events;
    struct block *kept[KEPT];
};

static struct told_all *all;
static uint64_t events_each;
static struct block *_Atomic shared[SHARED];

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void publish(struct teller *teller, enum told_kind kind)
{
    teller->events++;
    teller->told->kinds[kind]++;
    teller->told->hash[teller->events % TOLD_HASHES] = teller->hash;
    atomic_store_explicit(&teller->told->events, teller->events, memory_order_release);
}

static size_t some_size(struct teller *teller)
{
    uint64_t random = next_random(&teller->random);
    uint64_t bound = random % 64 == 0 ? 4000 : random % 8 == 0 ? 60 : 8;
    return 16 * (2 + (random >> 8) % bound) + 7;
}

/* The hash of the birth goes behind what was told of a death in the same event. */
static struct block *sign(struct teller *teller, void *memory, size_t bytes)
{
    struct block *block = memory;
    if (block == NULL)
        abort();
    *block = (struct block){teller->index, ++teller->births, bytes};
    teller->hash = told_birth(teller->hash, (uintptr_t)block, bytes);
    return block;
}

static void tell_death(struct teller *teller, const struct block *block)
{
    teller->hash = told_death(teller->hash, (uintptr_t)block, block->owner, block->number);
    teller->told->foreign += block->owner != teller->index;
}

static struct block *create(struct teller *teller)
{
    size_t bytes = some_size(teller);
    bool zeroed = bytes % 3 == 0;
    struct block *block = sign(teller, zeroed ? calloc(1, bytes) : malloc(bytes), bytes);
    publish(teller, TOLD_ALLOC);
    return block;
}

static void destroy(struct teller *teller, struct block *block)
{
    if (block == NULL)
        return;
    tell_death(teller, block);
    free(block);
    publish(teller, TOLD_FREE);
}

static struct block *resize(struct teller *teller, struct block *block)
{
    size_t bytes = some_size(teller);
    tell_death(teller, block);
    block = sign(teller, realloc(block, bytes), bytes);
    publish(teller, TOLD_REALLOC);
    return block;
}

static void step(struct teller *teller)
{
    uint64_t random = next_random(&teller->random);
    struct block **kept = &teller->kept[random % KEPT];
    unsigned action = random >> 32 & 15;
    if (*kept == NULL)
        *kept = create(teller);
    else if (action < 4)
        *kept = atomic_exchange(&shared[(random >> 40) % SHARED], *kept);
    else if (action < 5)
        *kept = resize(teller, *kept);
    else {
        destroy(teller, *kept);
        *kept = NULL;
    }
}

static void *tell(void *argument)
{
    struct teller *teller = argument;
    atomic_store(&teller->told->tid, (uint64_t)syscall(SYS_gettid));
    while (teller->events < events_each)
        step(teller);
    for (unsigned i = 0; i < KEPT; i++)
        destroy(teller, teller->kept[i]);
    return NULL;
}

static void tell_generation(uint64_t first)
{
    static struct teller tellers[TOLD_THREADS];
    pthread_t threads[TOLD_THREADS];
    memset(tellers, 0, sizeof(tellers));
    for (uint64_t i = 0; i < TOLD_THREADS; i++) {
        tellers[i].index = first + i;
        tellers[i].told = &all->told[first + i];
        tellers[i].random = (first + i + 1) * UINT64_C(0x2545F4914F6CDD1D);
        if (pthread_create(&threads[i], NULL, tell, &tellers[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < TOLD_THREADS; i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    int fd = argc == 3 ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
    all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (all == MAP_FAILED) {
        perror("shadow_tell FILE EVENTS");
        return 2;
    }
    events_each = strtoull(argv[2], NULL, 0) / (TOLD_GENERATIONS * TOLD_THREADS);
    for (unsigned i = 0; i < TOLD_GENERATIONS; i++)
        tell_generation(i * TOLD_THREADS);
    return 0;
}
