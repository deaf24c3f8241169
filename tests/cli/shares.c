/* shares.c - `shares SEED`: two threads keep memory by functions of its own for each kind, beside
 * much that is freed, in random order. How many bytes each kept is printed: samples must estimate
 * it. */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum kind { SMALL, MIDDLE, LARGE, FEW, GROWN, ZEROED, ALIGNED, HALVED, KINDS };

static const struct {
    const char *name;
    size_t bytes; /* of one, a half more or less */
    unsigned count;
} kinds[KINDS] = {
    [SMALL] = {"keep_small", 64, 20000},     [MIDDLE] = {"keep_middle", 1000, 1500},
    [LARGE] = {"keep_large", 200000, 15},    [FEW] = {"keep_few", 50000, 2},
    [GROWN] = {"keep_grown", 480, 2000},     [ZEROED] = {"keep_zeroed", 300, 4000},
    [ALIGNED] = {"keep_aligned", 640, 1500}, [HALVED] = {"keep_halved", 128, 10000},
};

enum { THREADS = 2, MOST = 10000 };

struct worker {
    uint64_t random;
    uint64_t bytes[KINDS];
    unsigned left[KINDS];
    void *halved[MOST]; /* of the last kind, every second one: freed at the end by main */
    unsigned halves;
};

static struct worker workers[THREADS];
static _Thread_local void *volatile kept;

static uint64_t draw(uint64_t *random)
{
    *random = *random * 6364136223846793005 + 1442695040888963407;
    return *random >> 33;
}

#define KEEPS(kind, ...)                                                                           \
    static __attribute__((noinline)) void keep_##kind(size_t bytes)                                \
    {                                                                                              \
        kept = __VA_ARGS__;                                                                        \
    }
KEEPS(small, malloc(bytes))
KEEPS(middle, malloc(bytes))
KEEPS(large, malloc(bytes))
KEEPS(few, malloc(bytes))
KEEPS(zeroed, calloc(1, bytes))
KEEPS(aligned, aligned_alloc(64, (bytes + 63) / 64 * 64))
KEEPS(halved, malloc(bytes))

static __attribute__((noinline)) void keep_grown(size_t bytes)
{
    void *volatile small = malloc(24);
    kept = realloc(small, bytes);
}

static __attribute__((noinline)) void pass(size_t bytes)
{
    void *volatile block = malloc(bytes);
    free(block);
}

static void keep_one(struct worker *worker, enum kind kind)
{
    static void (*const keep[KINDS])(size_t) = {keep_small, keep_middle, keep_large,   keep_few,
                                                keep_grown, keep_zeroed, keep_aligned, keep_halved};
    size_t bytes = kinds[kind].bytes / 2 + draw(&worker->random) % kinds[kind].bytes;
    bool is_freed = kind == HALVED && worker->left[kind] % 2 == 0;
    if (kind == ALIGNED)
        bytes = (bytes + 63) / 64 * 64;
    keep[kind](bytes);
    if (is_freed)
        worker->halved[worker->halves++] = kept;
    else
        worker->bytes[kind] += bytes;
}

static void *work(void *worker_)
{
    struct worker *worker = worker_;
    unsigned left = 0;
    for (unsigned kind = 0; kind < KINDS; kind++)
        left += worker->left[kind] = kinds[kind].count;
    while (left > 0) {
        unsigned kind = (unsigned)(draw(&worker->random) % KINDS);
        pass(draw(&worker->random) % 1000);
        if (worker->left[kind] == 0)
            continue;
        keep_one(worker, kind);
        worker->left[kind]--;
        left--;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i].random = (argc > 1 ? strtoull(argv[1], NULL, 0) : 1) * 2 + (uint64_t)i;
        if (pthread_create(&thread[i], NULL, work, &workers[i]) != 0)
            return 1;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < THREADS; i++)
        for (unsigned n = 0; n < workers[i].halves; n++)
            free(workers[i].halved[n]);
    for (unsigned kind = 0; kind < KINDS; kind++)
        printf("%s %llu\n", kinds[kind].name,
               (unsigned long long)(workers[0].bytes[kind] + workers[1].bytes[kind]));
    return 0;
}
