/* txn_mix.c - the peers are loaded at run time, so that none of them is needed to build this, and
 * none takes malloc's place. */
#define _GNU_SOURCE
#include "tests/bench/txn_mix.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "preload/mpress_txn.h"

const struct txn_mix txn_mixes[TXN_MIXES] = {
    {"100 blocks", 100, false, "100", ""},
    {"100 blocks, half rolled back", 100, true, "100 with child", "50"},
    {"1,000 blocks", 1000, false, "1,000", ""},
    {"1,000 blocks, half rolled back", 1000, true, "1,000 with child", "500"},
};

/* One way to do it. Pools without a parent are independent; where the library knows none of
 * children (mimalloc, slices, malloc), so is the inner one. */
struct way {
    void *(*begin)(void *parent, const char *name);
    void *(*alloc)(void *pool, size_t bytes);
    void (*end)(void *pool);
};

static uint16_t sizes[TXN_MIX_MOST];

static void choose_sizes(void)
{
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < TXN_MIX_MOST; i++) {
        seed ^= seed << 13; /* xorshift (Marsaglia 2003) */
        seed ^= seed >> 7;
        seed ^= seed << 17;
        sizes[i] = (uint16_t)(16 + seed % 497);
    }
}

/* Inlined into a function of each peer, so that what its header has inline is inline here too. */
static inline __attribute__((always_inline)) void run(const struct way way,
                                                      const struct txn_mix *mix, uint32_t times)
{
    uint32_t first = mix->is_rolled_back ? mix->blocks / 2 : mix->blocks;
    for (uint32_t time = 0; time < times; time++) {
        void *outer = way.begin(NULL, mix->outer);
        for (uint32_t i = 0; i < first; i++)
            *(volatile char *)way.alloc(outer, sizes[i]) = 1;
        if (mix->is_rolled_back) {
            void *inner = way.begin(outer, mix->inner);
            for (uint32_t i = first; i < mix->blocks; i++)
                *(volatile char *)way.alloc(inner, sizes[i]) = 1;
            way.end(inner);
        }
        way.end(outer);
    }
}

static bool find(void *library, void *pointer, const char *name)
{
    void *symbol = dlsym(library, name);
    *(void **)pointer = symbol;
    return symbol != NULL;
}

/* -- transactions ----------------------------------------------------------------------------- */

static bool find_txn(void *library)
{
    (void)library;
    return mpress_txn_begin != NULL;
}

static inline void *begin_txn(void *parent, const char *name)
{
    return mpress_txn_begin(parent, name, 0);
}

static inline void *alloc_txn(void *txn, size_t bytes)
{
    return mpress_txn_alloc((struct mpress_txn *)txn, bytes, 8);
}

static inline void end_txn(void *txn)
{
    mpress_txn_rollback(txn);
}

static void run_txn(const struct txn_mix *mix, uint32_t times)
{
    run((struct way){begin_txn, alloc_txn, end_txn}, mix, times);
}

/* -- APR -------------------------------------------------------------------------------------- */

static struct {
    int (*initialize)(void);
    int (*create)(void **pool, void *parent, void *abort, void *allocator);
    void *(*alloc)(void *pool, size_t bytes);
    void (*destroy)(void *pool);
} apr;

static bool find_apr(void *library)
{
    return find(library, &apr.initialize, "apr_initialize") &&
           find(library, &apr.create, "apr_pool_create_ex") &&
           find(library, &apr.alloc, "apr_palloc") &&
           find(library, &apr.destroy, "apr_pool_destroy") && apr.initialize() == 0;
}

static inline void *begin_apr(void *parent, const char *name)
{
    void *pool = NULL;
    (void)name;
    return apr.create(&pool, parent, NULL, NULL) == 0 ? pool : NULL;
}

static inline void *alloc_apr(void *pool, size_t bytes)
{
    return apr.alloc(pool, bytes);
}

static inline void end_apr(void *pool)
{
    apr.destroy(pool);
}

static void run_apr(const struct txn_mix *mix, uint32_t times)
{
    run((struct way){begin_apr, alloc_apr, end_apr}, mix, times);
}

/* -- talloc: a pool of a context, as it is meant for this ------------------------------------- */

static struct {
    void *(*alloc)(const void *context, size_t bytes, const char *name);
    int (*free)(void *p, const char *where);
} talloc;

static bool find_talloc(void *library)
{
    return find(library, &talloc.alloc, "talloc_named_const") &&
           find(library, &talloc.free, "_talloc_free");
}

static inline void *begin_talloc(void *parent, const char *name)
{
    return talloc.alloc(parent, 0, name);
}

static inline void *alloc_talloc(void *context, size_t bytes)
{
    return talloc.alloc(context, bytes, "block");
}

static inline void end_talloc(void *context)
{
    talloc.free(context, "bench");
}

static void run_talloc(const struct txn_mix *mix, uint32_t times)
{
    run((struct way){begin_talloc, alloc_talloc, end_talloc}, mix, times);
}

/* -- what remembers its blocks to give them up one by one ------------------------------------- */

struct list {
    uint32_t count;
    uint16_t sizes[TXN_MIX_MOST];
    void *blocks[TXN_MIX_MOST];
};

static inline void *begin_list(void *parent, const char *name)
{
    static struct list lists[2];
    struct list *list = &lists[parent != NULL];
    (void)name;
    list->count = 0;
    return list;
}

static inline void *remember(struct list *list, void *p, size_t bytes)
{
    list->sizes[list->count] = (uint16_t)bytes;
    list->blocks[list->count++] = p;
    return p;
}

static struct {
    void *(*alloc)(size_t bytes);
    void (*free)(size_t bytes, void *p);
} slices;

static bool find_slices(void *library)
{
    return find(library, &slices.alloc, "g_slice_alloc") &&
           find(library, &slices.free, "g_slice_free1");
}

static inline void *alloc_slice(void *list, size_t bytes)
{
    return remember(list, slices.alloc(bytes), bytes);
}

static inline void end_slices(void *list_)
{
    struct list *list = list_;
    for (uint32_t i = 0; i < list->count; i++)
        slices.free(list->sizes[i], list->blocks[i]);
}

static void run_slices(const struct txn_mix *mix, uint32_t times)
{
    run((struct way){begin_list, alloc_slice, end_slices}, mix, times);
}

static inline void *alloc_malloc(void *list, size_t bytes)
{
    return remember(list, malloc(bytes), bytes);
}

static inline void end_malloc(void *list_)
{
    struct list *list = list_;
    for (uint32_t i = 0; i < list->count; i++)
        free(list->blocks[i]);
}

static void run_malloc(const struct txn_mix *mix, uint32_t times)
{
    run((struct way){begin_list, alloc_malloc, end_malloc}, mix, times);
}

/* -- mimalloc --------------------------------------------------------------------------------- */

static struct {
    void *(*create)(void);
    void *(*alloc)(void *heap, size_t bytes);
    void (*destroy)(void *heap);
} mimalloc;

static bool find_mimalloc(void *library)
{
    return find(library, &mimalloc.create, "mi_heap_new") &&
           find(library, &mimalloc.alloc, "mi_heap_malloc") &&
           find(library, &mimalloc.destroy, "mi_heap_destroy");
}

static inline void *begin_mimalloc(void *parent, const char *name)
{
    (void)parent, (void)name;
    return mimalloc.create();
}

static inline void *alloc_mimalloc(void *heap, size_t bytes)
{
    return mimalloc.alloc(heap, bytes);
}

static inline void end_mimalloc(void *heap)
{
    mimalloc.destroy(heap);
}

static void run_mimalloc(const struct txn_mix *mix, uint32_t times)
{
    run((struct way){begin_mimalloc, alloc_mimalloc, end_mimalloc}, mix, times);
}

/* -- all -------------------------------------------------------------------------------------- */

static const struct txn_peer peers[] = {
    {"transactions", NULL, find_txn, run_txn},
    {"malloc+free", NULL, NULL, run_malloc},
    {"apr", "libapr-1.so.0", find_apr, run_apr},
    {"talloc", "libtalloc.so.2", find_talloc, run_talloc},
    {"glib", "libglib-2.0.so.0", find_slices, run_slices},
    {"mimalloc", "libmimalloc.so.2", find_mimalloc, run_mimalloc},
};

enum { PEERS = sizeof(peers) / sizeof(peers[0]) };

static bool is_there(const struct txn_peer *peer)
{
    void *library = peer->library != NULL ? dlopen(peer->library, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (peer->library != NULL && library == NULL)
        return false;
    return peer->find == NULL || peer->find(library);
}

const struct txn_peer *txn_peer_at(size_t index)
{
    static const struct txn_peer *there[PEERS + 1];
    static bool is_known;
    if (!is_known) {
        size_t count = 0;
        choose_sizes();
        for (size_t i = 0; i < PEERS; i++) {
            if (is_there(&peers[i]))
                there[count++] = &peers[i];
        }
        is_known = true;
    }
    return index < PEERS ? there[index] : NULL;
}
