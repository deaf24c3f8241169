/* stress_txn.c [--seed N] [--sequences N] - random sequences of transactions against a model.
 *
 * A world is a tree of open transactions and the model of what lives in it: each block with its
 * transaction, the serial number of its birth there, and the byte it is filled with. Eight threads
 * take worlds from a table, make some steps, and put them back for any other to go on with; worlds
 * that are over begin anew, which is one sequence. Every block is looked at when it goes. Malloc's
 * blocks out of entered transactions go through a table of their own, and are freed by whoever
 * finds them, before or after their transaction. One more thread reads the numbers meanwhile. In
 * the end nothing may be left. */
#define _POSIX_C_SOURCE 200809L /* barriers */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/base/os.h"
#include "allocators/heap.h"
#include "allocators/txn.h"

enum {
    THREADS = 8,
    WORLDS = 12,
    NODES = 12,
    BLOCKS = 400,
    MARKS = 6,
    HANDED = 128,
    STEPS_AT_ONCE = 24,
    STEPS_MOST = 60,
};

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s does not hold (line %d)\n", #condition, __LINE__);                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct block {
    unsigned char *p;
    uint32_t bytes;
    uint32_t node;
    uint64_t born;
    unsigned char byte;
};

struct mark {
    struct txn_mark mark;
    uint64_t born;
};

struct node {
    struct txn *txn; /* NULL: unused */
    uint32_t parent; /* itself: the root */
    uint64_t born;
    struct mark marks[MARKS];
    uint32_t marks_count;
};

struct world {
    struct node nodes[NODES]; /* 0: the root */
    struct block blocks[BLOCKS];
    uint32_t blocks_count;
    uint64_t serial;
    uint64_t steps;
};

static struct world worlds[WORLDS];
static _Atomic(struct world *) table[WORLDS];
static _Atomic(unsigned char *) handed[HANDED];
static _Atomic uint64_t sequences_left;
static pthread_barrier_t is_over, all_ended; /* of the threads and main */
static const char *const names[] = {"a", "b", "c", "d", "e"};

/* xorshift (Marsaglia 2003). */
static uint32_t next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (uint32_t)(*seed >> 16);
}

/* -- blocks ----------------------------------------------------------------------------------- */

static void look(const struct block *block)
{
    for (uint32_t i = 0; i < block->bytes; i++)
        REQUIRE(block->p[i] == block->byte);
}

static uint32_t random_size(uint64_t *seed)
{
    uint32_t kind = next(seed) % 64;
    if (kind == 0)
        return next(seed) % 40000;
    return kind < 8 ? next(seed) % 3000 : next(seed) % 200;
}

static void allocate(struct world *world, uint32_t node, uint64_t *seed)
{
    if (world->blocks_count == BLOCKS)
        return;
    struct block *block = &world->blocks[world->blocks_count];
    size_t alignment = (size_t)1 << next(seed) % (next(seed) % 16 == 0 ? 13 : 6);
    void *p;
    block->bytes = random_size(seed);
    REQUIRE(txn_alloc(world->nodes[node].txn, block->bytes, alignment, &p) == 0);
    REQUIRE((uintptr_t)p % alignment == 0);
    block->p = p;
    block->node = node;
    block->born = ++world->serial;
    block->byte = (unsigned char)next(seed);
    memset(p, block->byte, block->bytes);
    world->blocks_count++;
}

/* -- the model of a transaction --------------------------------------------------------------- */

/* Blocks of a node that are younger go, after a look; or change to `heir`. */
static void end_blocks(struct world *world, uint32_t node, uint64_t older, const uint32_t *heir)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < world->blocks_count; i++) {
        struct block block = world->blocks[i];
        bool goes = block.node == node && block.born > older;
        if (goes)
            look(&block);
        if (goes && heir != NULL) {
            block.node = *heir;
            block.born = ++world->serial;
        }
        if (!goes || heir != NULL)
            world->blocks[kept++] = block;
    }
    world->blocks_count = kept;
}

/* Children that are younger are rolled back with it. */
static void end_children(struct world *world, uint32_t node, uint64_t older)
{
    for (uint32_t i = 1; i < NODES; i++) {
        struct node *child = &world->nodes[i];
        if (child->txn == NULL || child->parent != node || child->born <= older)
            continue;
        end_children(world, i, 0);
        end_blocks(world, i, 0, NULL);
        child->txn = NULL;
    }
}

static void end(struct world *world, uint32_t node, bool is_commit)
{
    struct node *ended = &world->nodes[node];
    end_children(world, node, 0);
    bool is_kept = is_commit && node != 0;
    if (!is_kept)
        end_blocks(world, node, 0, NULL);
    txn_end(ended->txn, is_commit ? TXN_COMMITTED : TXN_ROLLED_BACK);
    ended->txn = NULL;
    if (is_kept)
        end_blocks(world, node, 0, &ended->parent);
}

static void begin(struct world *world, uint32_t node, uint32_t parent, uint64_t *seed)
{
    const char *name = names[next(seed) % 5];
    struct txn *above = node != parent ? world->nodes[parent].txn : NULL;
    REQUIRE(txn_prepare(name));
    world->nodes[node] = (struct node){.txn = txn_begin(above, name, next(seed) % 10000),
                                       .parent = parent,
                                       .born = ++world->serial};
}

static void begin_child(struct world *world, uint32_t parent, uint64_t *seed)
{
    for (uint32_t node = 1; node < NODES; node++) {
        if (world->nodes[node].txn == NULL) {
            begin(world, node, parent, seed);
            return;
        }
    }
}

static void save(struct world *world, struct node *node)
{
    if (node->marks_count == MARKS)
        return;
    struct mark *mark = &node->marks[node->marks_count++];
    txn_save(node->txn, &mark->mark);
    mark->born = world->serial;
}

static void roll_back_to(struct world *world, uint32_t index, uint64_t *seed)
{
    struct node *node = &world->nodes[index];
    if (node->marks_count == 0)
        return;
    uint32_t chosen = next(seed) % node->marks_count;
    const struct mark *mark = &node->marks[chosen];
    node->marks_count = chosen + 1;
    end_children(world, index, mark->born);
    end_blocks(world, index, mark->born, NULL);
    txn_rollback_to(node->txn, &mark->mark);
}

/* -- malloc's blocks -------------------------------------------------------------------------- */

static void free_checked(unsigned char *p)
{
    if (p == NULL)
        return;
    size_t usable = heap_usable(p);
    for (size_t i = 1; i < usable; i++)
        REQUIRE(p[i] == p[0]);
    heap_free(p);
}

/* Filled as a whole; somebody else frees what is there. */
static void hand_over(unsigned char *p, uint64_t *seed)
{
    REQUIRE(p != NULL);
    memset(p, (int)next(seed), heap_usable(p));
    free_checked(atomic_exchange(&handed[next(seed) % HANDED], p));
}

static _Thread_local struct arena_spares spares;

static void malloc_within(struct node *node, uint64_t *seed)
{
    if (arena_enter(&node->txn->arena, &spares) != 0)
        return;
    for (uint32_t i = next(seed) % 32; i > 0; i--) {
        size_t alignment = (size_t)1 << next(seed) % 11;
        size_t bytes = next(seed) % (next(seed) % 8 == 0 ? 40000 : 1200);
        bool is_aligned = next(seed) % 8 == 0;
        void *p = is_aligned ? heap_alloc_aligned(alignment, bytes) : heap_alloc(bytes);
        REQUIRE(!is_aligned || (uintptr_t)p % alignment == 0);
        if (next(seed) % 2 == 0)
            heap_free(p);
        else
            hand_over(p, seed);
    }
    if (next(seed) % 8 == 0)
        hand_over(heap_realloc(heap_alloc(100), next(seed) % 2000 + 1), seed);
    REQUIRE(arena_leave(&node->txn->arena) == 0);
    if (next(seed) % 4 == 0)
        arena_free_spares(&spares);
}

/* -- what the model says of a transaction ---------------------------------------------------- */

struct sum {
    uint64_t blocks, bytes;
    uintptr_t loan_end; /* of the last block in what it borrowed of its parent; 0: none is */
};

static void add_block(struct sum *sum, const struct txn *txn, const struct block *block)
{
    uintptr_t start = (uintptr_t)block->p, end = start + block->bytes;
    bool is_lent = txn->loan != 0 && start >= txn->loan_from && start <= txn->loan_to;
    sum->blocks++;
    sum->bytes += block->bytes;
    if (is_lent && end > sum->loan_end)
        sum->loan_end = end;
}

/* It left its loan behind its last block there, or all of it to a child that had the rest. */
static void audit_loan(const struct txn *txn, const struct sum *sum)
{
    if (txn->loan == 0 || txn->loan_at == 0)
        return;
    uintptr_t left = sum->loan_end != 0 ? sum->loan_end : txn->loan_from;
    REQUIRE(txn->loan_at == left || (txn->loan_at == txn->loan_to && txn->loans > 0));
}

static void audit_world(const struct world *world)
{
    struct sum sums[NODES] = {{0, 0, 0}};
    for (uint32_t i = 0; i < world->blocks_count; i++) {
        uint32_t node = world->blocks[i].node;
        add_block(&sums[node], world->nodes[node].txn, &world->blocks[i]);
    }
    for (uint32_t i = 0; i < NODES; i++) {
        const struct txn *txn = world->nodes[i].txn;
        if (txn == NULL)
            continue;
        REQUIRE(txn->blocks == sums[i].blocks && txn_used(txn) >= sums[i].bytes);
        audit_loan(txn, &sums[i]);
        txn_audit(txn);
    }
}

/* -- worlds ----------------------------------------------------------------------------------- */

static void step(struct world *world, uint64_t *seed)
{
    uint32_t index = next(seed) % NODES;
    while (world->nodes[index].txn == NULL)
        index = (index + 1) % NODES;
    struct node *node = &world->nodes[index];
    uint32_t what = next(seed) % 32;
    if (what < 16)
        allocate(world, index, seed);
    else if (what < 21)
        begin_child(world, index, seed);
    else if (what < 23)
        save(world, node);
    else if (what < 25)
        roll_back_to(world, index, seed);
    else if (what < 27)
        malloc_within(node, seed);
    else if (index != 0)
        end(world, index, what < 30);
}

static void adopt_all(const struct world *world)
{
    for (uint32_t i = 0; i < NODES; i++) {
        if (world->nodes[i].txn != NULL)
            txn_adopt(world->nodes[i].txn);
    }
}

static void go_on(struct world *world, uint64_t *seed)
{
    adopt_all(world);
    if (world->nodes[0].txn == NULL) {
        begin(world, 0, 0, seed);
        world->steps = next(seed) % STEPS_MOST;
    }
    for (uint32_t steps = next(seed) % STEPS_AT_ONCE; steps > 0 && world->steps > 0; steps--) {
        step(world, seed);
        world->steps--;
    }
    audit_world(world);
    if (world->steps > 0)
        return;
    end(world, 0, next(seed) % 2 == 0);
    REQUIRE(world->blocks_count == 0);
    uint64_t left = atomic_load(&sequences_left);
    while (left > 0 && !atomic_compare_exchange_weak(&sequences_left, &left, left - 1))
        continue;
}

static void *work(void *seed_)
{
    uint64_t seed = *(uint64_t *)seed_;
    while (atomic_load(&sequences_left) > 0) {
        uint32_t slot = next(&seed) % WORLDS;
        struct world *world = atomic_exchange(&table[slot], NULL);
        if (world == NULL)
            continue;
        go_on(world, &seed);
        for (slot = next(&seed) % WORLDS;; slot = (slot + 1) % WORLDS) {
            struct world *nothing = NULL;
            if (atomic_compare_exchange_strong(&table[slot], &nothing, world))
                break;
        }
    }
    pthread_barrier_wait(&is_over);
    pthread_barrier_wait(&all_ended);
    arena_free_spares(&spares);
    heap_thread_exit();
    return NULL;
}

static void *read_numbers(void *unused)
{
    _Atomic uint32_t never = 0; /* nobody wakes it: a wait for it is a pause */
    while (atomic_load(&sequences_left) > 0) {
        struct txn_totals totals;
        struct arena_stats arenas;
        struct txn_record record;
        txn_read_totals(&totals);
        arena_read_stats(&arenas);
        for (size_t i = 0; txn_read_record(i, &record); i++)
            REQUIRE(record.text[0] != '\0');
        REQUIRE(arenas.bytes + arenas.free_bytes <= arenas.chunks * ARENA_UNITS * UNIT_BYTES);
        os_wait_for(&never, 0, 5 * 1000 * 1000);
    }
    return unused;
}

static void end_all(void)
{
    uint64_t seed = 1;
    for (uint32_t i = 0; i < WORLDS; i++) {
        adopt_all(&worlds[i]);
        if (worlds[i].nodes[0].txn != NULL)
            end(&worlds[i], 0, next(&seed) % 2 == 0);
        REQUIRE(worlds[i].blocks_count == 0);
    }
    for (uint32_t i = 0; i < HANDED; i++)
        free_checked(atomic_exchange(&handed[i], NULL));
}

static void audit_all(void)
{
    heap_thread_exit();
    struct txn_totals totals;
    struct arena_stats arenas;
    struct heap_stats stats;
    txn_read_totals(&totals);
    arena_read_stats(&arenas);
    heap_read_stats(&stats);
    REQUIRE(totals.open == 0 && totals.chunks == 0);
    REQUIRE(arenas.blocks == 0 && arenas.chunks == 0);
    REQUIRE(stats.live_objects == 0 && stats.live_bytes == 0);
    heap_audit();
}

int main(int argc, char **argv)
{
    uint64_t seed = 20250517, sequences = 100000;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 0);
        else if (strcmp(argv[i], "--sequences") == 0)
            sequences = strtoull(argv[i + 1], NULL, 0);
    }
    printf("seed %llu, %llu sequences\n", (unsigned long long)seed, (unsigned long long)sequences);
    fflush(stdout);
    static struct conf conf;
    conf_init(&conf);
    conf.reserve = UINT64_C(1) << 32;
    REQUIRE(heap_init(&conf) == 0);
    atomic_store(&sequences_left, sequences);
    for (int i = 0; i < WORLDS; i++)
        atomic_store(&table[i], &worlds[i]);
    pthread_t threads[THREADS], reader;
    uint64_t seeds[THREADS];
    pthread_barrier_init(&is_over, NULL, THREADS + 1);
    pthread_barrier_init(&all_ended, NULL, THREADS + 1);
    REQUIRE(pthread_create(&reader, NULL, read_numbers, NULL) == 0);
    for (int i = 0; i < THREADS; i++) {
        seeds[i] = seed * 2654435761u + (uint64_t)i + 1;
        REQUIRE(pthread_create(&threads[i], NULL, work, &seeds[i]) == 0);
    }
    pthread_barrier_wait(&is_over);
    end_all();
    pthread_barrier_wait(&all_ended);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_join(reader, NULL);
    audit_all();
    return 0;
}
