/* txns.c - four threads pass trees of transactions around and note what begins and ends when; the
 * trace must say the same, in an order that can have happened in each transaction.
 *
 *     shadow_txns LIBRARY MODE       (and for the threads: shadow_txns work FILE)
 *
 * Each block has a size of its own, by which the trace's are told apart. */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/mpress_txn.h"
#include "tools/trace/trace.h"

enum {
    BLOCKS = 6000,
    TREES = 3,
    NODES = 6,
    MARKS = 4,
    THREADS = 4,
    STEPS = 9000,
    DEAD_BLOCKS = 10
};

static void check(bool holds, const char *what, uint64_t number)
{
    if (holds)
        return;
    fprintf(stderr, "shadow_txns: %s (%" PRIu64 ")\n", what, number);
    exit(1);
}

/* What happened to a block: steps of its tree, 0: not yet. */
struct told {
    uint32_t birth;
    uint32_t death;
};

static struct all {
    struct told block[BLOCKS + 1]; /* by size */
    uint32_t blocks;
    uint32_t entered; /* blocks of malloc out of a transaction */
    uint32_t begun;
} told;

/* -- the threads ------------------------------------------------------------------------------ */

struct mark {
    struct mpress_txn_mark mark;
    uint32_t blocks, step;
};

struct node {
    struct mpress_txn *txn; /* NULL: unused */
    struct node *parent;
    uint32_t born; /* step */
    uint32_t sizes[BLOCKS], blocks;
    struct mark marks[MARKS];
    uint32_t mark_count;
};

struct tree {
    pthread_mutex_t lock;
    uint32_t step;
    struct node nodes[NODES];
};

static struct tree trees[TREES];
static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t done;

static uint32_t next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

static void allocate(struct tree *tree, struct node *node)
{
    pthread_mutex_lock(&told_lock);
    uint32_t size = told.blocks < BLOCKS ? ++told.blocks : 0;
    pthread_mutex_unlock(&told_lock);
    if (size == 0)
        return;
    check(mpress_txn_alloc(node->txn, size, size % 3 == 0 ? 1 : 0) != NULL, "no block", size);
    told.block[size] = (struct told){tree->step, 0};
    node->sizes[node->blocks++] = size;
}

static void kill_blocks(const struct tree *tree, struct node *node, uint32_t kept)
{
    while (node->blocks > kept)
        told.block[node->sizes[--node->blocks]].death = tree->step;
}

/* Its open children, if they are younger, are rolled back with it. */
static void kill_children(struct tree *tree, struct node *node, uint32_t older)
{
    for (unsigned i = 0; i < NODES; i++) {
        struct node *child = &tree->nodes[i];
        if (child->txn == NULL || child->parent != node || child->born <= older)
            continue;
        kill_children(tree, child, 0);
        kill_blocks(tree, child, 0);
        child->txn = NULL;
    }
}

static void begin(struct tree *tree, struct node *node, struct node *parent)
{
    struct mpress_txn *in = parent != node ? parent->txn : NULL;
    node->txn = mpress_txn_begin(in, "tree", 0);
    node->parent = in != NULL ? parent : NULL;
    node->born = tree->step;
    node->blocks = node->mark_count = 0;
    check(node->txn != NULL, "no transaction", tree->step);
    __atomic_fetch_add(&told.begun, 1, __ATOMIC_RELAXED);
}

static void end(struct tree *tree, struct node *node, bool is_commit)
{
    kill_children(tree, node, 0);
    struct node *heir = is_commit ? node->parent : NULL;
    for (uint32_t i = 0; heir != NULL && i < node->blocks; i++)
        heir->sizes[heir->blocks++] = node->sizes[i];
    if (heir == NULL)
        kill_blocks(tree, node, 0);
    (is_commit ? mpress_txn_commit : mpress_txn_rollback)(node->txn);
    node->txn = NULL;
}

static void save(struct tree *tree, struct node *node)
{
    if (node->mark_count == MARKS)
        return;
    struct mark *mark = &node->marks[node->mark_count++];
    mpress_txn_save(node->txn, &mark->mark);
    mark->blocks = node->blocks;
    mark->step = tree->step;
}

static void roll_back(struct tree *tree, struct node *node, uint32_t which)
{
    if (node->mark_count == 0)
        return;
    node->mark_count = which % node->mark_count + 1;
    const struct mark *mark = &node->marks[node->mark_count - 1];
    kill_children(tree, node, mark->step);
    kill_blocks(tree, node, mark->blocks);
    mpress_txn_rollback_to(node->txn, &mark->mark);
}

static void enter(struct node *node)
{
    void *volatile kept[3]; /* else the compiler needs no blocks */
    check(mpress_txn_enter(node->txn) == 0, "not entered", 0);
    for (int i = 0; i < 3; i++)
        kept[i] = malloc(40);
    check(mpress_txn_leave(node->txn) == 0, "not left", 0);
    for (int i = 0; i < 2; i++)
        free(kept[i]);
    __atomic_fetch_add(&told.entered, 3, __ATOMIC_RELAXED);
}

static void do_step(struct tree *tree, uint64_t *seed)
{
    struct node *node = &tree->nodes[next(seed) % NODES];
    struct node *other = &tree->nodes[next(seed) % NODES];
    uint32_t choice = next(seed) % 32;
    tree->step++;
    if (node->txn == NULL)
        begin(tree, node, other->txn != NULL ? other : node);
    else if (choice < 20)
        allocate(tree, node);
    else if (choice < 22)
        save(tree, node);
    else if (choice < 24)
        roll_back(tree, node, next(seed));
    else if (choice < 25)
        enter(node);
    else if (choice < 26)
        mpress_txn_adopt(node->txn);
    else if (choice < 31)
        end(tree, node, choice < 30);
    struct mpress_txn_stats stats = {.blocks = node->blocks};
    if (node->txn != NULL)
        mpress_txn_stats(node->txn, &stats);
    check(stats.blocks == node->blocks, "other blocks than the model's", node->blocks);
}

static void *work(void *seed_)
{
    uint64_t seed = (uintptr_t)seed_;
    for (int i = 0; i < STEPS / THREADS; i++) {
        struct tree *tree = &trees[next(&seed) % TREES];
        pthread_mutex_lock(&tree->lock);
        do_step(tree, &seed);
        pthread_mutex_unlock(&tree->lock);
    }
    pthread_barrier_wait(&done);
    pthread_barrier_wait(&done); /* all is adopted */
    return NULL;
}

/* Ends within a transaction. */
static void *die(void *unused)
{
    struct tree *tree = &trees[0];
    struct mpress_txn *txn = mpress_txn_begin(NULL, "lost", 0);
    struct mpress_txn *child = mpress_txn_begin(txn, "lost", 0);
    (void)unused;
    tree->step++;
    for (uint32_t i = 0; i < DEAD_BLOCKS; i++) {
        uint32_t size = ++told.blocks;
        check(mpress_txn_alloc(i % 2 != 0 ? txn : child, size, 0) != NULL, "no block", size);
        told.block[size] = (struct told){tree->step, tree->step + 1};
    }
    tree->step++;
    told.begun += 2;
    return NULL;
}

static void run_thread(void *(*body)(void *))
{
    pthread_t thread;
    check(pthread_create(&thread, NULL, body, NULL) == 0, "no thread", 0);
    pthread_join(thread, NULL);
}

static int run_threads(const char *path)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&done, NULL, THREADS + 1);
    run_thread(die);
    for (uint32_t i = 0; i < TREES; i++)
        pthread_mutex_init(&trees[i].lock, NULL);
    for (uintptr_t i = 0; i < THREADS; i++)
        check(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0, "no thread", i);
    pthread_barrier_wait(&done);
    for (unsigned i = 0; i < TREES * NODES; i++) {
        if (trees[i / NODES].nodes[i % NODES].txn != NULL)
            mpress_txn_adopt(trees[i / NODES].nodes[i % NODES].txn);
    }
    pthread_barrier_wait(&done);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    FILE *out = fopen(path, "wb");
    check(out != NULL && fwrite(&told, sizeof(told), 1, out) == 1 && fclose(out) == 0, path, 0);
    return 0;
}

/* -- the trace -------------------------------------------------------------------------------- */

struct seen {
    uint32_t step[STEPS]; /* the last one seen, by transaction */
    bool is_born[BLOCKS + 1], is_dead[BLOCKS + 1];
    uint32_t births, entered, begun;
};

/* Of a block; what the trace shows of one transaction is in its order. */
static void note(struct seen *seen, uint32_t txn, uint64_t size, bool is_death)
{
    check(size >= 1 && size <= told.blocks, "a block that nobody had", size);
    const struct told *block = &told.block[size];
    uint32_t step = is_death ? block->death : block->birth;
    bool *is_noted = is_death ? &seen->is_dead[size] : &seen->is_born[size];
    check(!*is_noted && (!is_death || seen->is_born[size]), "a block begins or ends twice", size);
    check(step != 0, "a block ends that lives", size);
    check(txn < STEPS, "a transaction that nobody began", txn);
    check(step >= seen->step[txn], "out of order", size);
    seen->step[txn] = step;
    *is_noted = true;
}

static void note_event(struct seen *seen, const struct trace_visit *visit,
                       const struct trace_event *event)
{
    bool is_in_txn = (event->bits & TRACE_EVENT_IN_TXN) != 0;
    if (event->kind == TRACE_EVENT_TXN_BEGIN) {
        const char *name = trace_txn_name(visit, event->begun.name);
        check(strcmp(name, "tree") == 0 || strcmp(name, "lost") == 0, name, 0);
        seen->begun++;
    }
    if (event->kind == TRACE_EVENT_ALLOC && is_in_txn) {
        seen->births++;
        note(seen, event->txn, event->size, false);
    }
    if (event->kind == TRACE_EVENT_FREE && is_in_txn)
        note(seen, event->txn, event->old_size, true);
    seen->entered += event->kind == TRACE_EVENT_ALLOC && !is_in_txn && event->txn != 0;
}

static void compare(const char *path)
{
    static struct seen seen;
    struct trace_error error;
    struct trace *trace = trace_open(path, &error);
    check(trace != NULL, error.text, 0);
    struct trace_visit *visit = trace_visit_create(trace);
    struct trace_event event;
    while (trace_visit_next(visit, &event))
        note_event(&seen, visit, &event);
    check(trace_visit_is_complete(visit, &error), error.text, 0);
    check(seen.births == told.blocks, "blocks were not seen", told.blocks - seen.births);
    for (uint32_t i = 1; i <= told.blocks; i++)
        check(seen.is_dead[i] == (told.block[i].death != 0), "a block that ended lives", i);
    check(seen.entered == told.entered, "of malloc's out of transactions", seen.entered);
    check(seen.begun == told.begun, "transactions begun", seen.begun);
    trace_visit_destroy(visit);
    trace_close(trace);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/mpress-txns-XXXXXX", trace_path[64], told_path[64];
    int status = -1;
    check(argc == 3, "two arguments", 0);
    if (strcmp(argv[1], "work") == 0)
        return run_threads(argv[2]);
    check(mkdtemp(folder) != NULL, "no folder", 0);
    snprintf(trace_path, sizeof(trace_path), "%s/trace.mpt", folder);
    snprintf(told_path, sizeof(told_path), "%s/told", folder);
    pid_t child = fork();
    if (child == 0) {
        setenv("LD_PRELOAD", argv[1], 1);
        setenv("MPRESS_TRACE", argv[2], 1);
        setenv("MPRESS_TRACE_FILE", trace_path, 1);
        execl("/proc/self/exe", argv[0], "work", told_path, (char *)NULL);
        _exit(127);
    }
    check(waitpid(child, &status, 0) == child && status == 0, "the threads failed",
          (unsigned)status);
    FILE *in = fopen(told_path, "rb");
    check(in != NULL && fread(&told, sizeof(told), 1, in) == 1 && fclose(in) == 0, told_path, 0);
    compare(trace_path);
    unlink(trace_path);
    unlink(told_path);
    rmdir(folder);
    return 0;
}
