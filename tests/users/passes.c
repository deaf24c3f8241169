/* passes.c [--memory malloc|transaction] [--work trees|texts] [--rounds N]
 *
 * Two programs that hardly do anything but allocate, so that what a transaction is worth can be
 * measured, and held against what `mpress propose` says of a trace with malloc:
 *
 *   trees   expressions, each built of small blocks, evaluated, and given up as a whole: it pays
 *   texts   documents, each with a buffer that grows by realloc, mostly where it stands; in a
 *           transaction every step is a new block and a copy: it costs
 *
 * Without the library the memory is malloc's; which it was is said on stderr. The digest on stdout
 * does not depend on it. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/mpress_txn.h"

enum { DEPTH = 6, NAME_BYTES = 24 };
enum { LINES = 14, TEXT_BYTES = 8192, STEP_BYTES = 256, STEPS = 10 };

static struct mpress_txn *txn; /* NULL: malloc */
static int in_transactions;
static uint64_t digest = UINT64_C(14695981039346656037), transactions;

static void add(uint64_t value)
{
    digest = (digest ^ value) * UINT64_C(1099511628211); /* FNV-1a (Fowler, Noll, Vo) */
}

/* -- memory ----------------------------------------------------------------------------------- */

static void begin(const char *name)
{
    txn = in_transactions ? mpress_txn_begin(NULL, name, 0) : NULL;
}

static void end(void)
{
    if (txn != NULL)
        mpress_txn_rollback(txn);
    transactions += txn != NULL;
}

static inline void *take(size_t bytes)
{
    void *p = txn != NULL ? mpress_txn_alloc(txn, bytes, 0) : malloc(bytes);
    return p != NULL ? p : (abort(), NULL);
}

static void *take_more(void *old, size_t bytes, size_t more)
{
    if (txn == NULL) {
        void *p = realloc(old, more);
        return p != NULL ? p : (abort(), NULL);
    }
    return memcpy(take(more), old, bytes);
}

/* -- trees ------------------------------------------------------------------------------------ */

struct node {
    uint64_t value;
    char *name; /* of a leaf */
    struct node *left, *right;
};

__attribute__((noinline)) static char *make_name(uint64_t number)
{
    char *name = take(NAME_BYTES);
    memset(name, (int)('a' + number % 26), NAME_BYTES);
    return name;
}

__attribute__((noinline)) static struct node *make_tree(uint64_t number, int depth)
{
    struct node *node = take(sizeof(*node));
    node->value = number;
    node->name = depth == 0 ? make_name(number) : NULL;
    node->left = depth == 0 ? NULL : make_tree(number * 2, depth - 1);
    node->right = depth == 0 ? NULL : make_tree(number * 2 + 1, depth - 1);
    return node;
}

static uint64_t evaluate(const struct node *node)
{
    if (node->name != NULL)
        return node->value + (uint64_t)node->name[0];
    return evaluate(node->left) ^ evaluate(node->right);
}

static void free_tree(struct node *node)
{
    if (node == NULL)
        return;
    free_tree(node->left);
    free_tree(node->right);
    free(node->name);
    free(node);
}

__attribute__((noinline)) static void run_tree(uint64_t number)
{
    begin("tree");
    struct node *tree = make_tree(number, DEPTH);
    add(evaluate(tree));
    if (txn == NULL)
        free_tree(tree);
    end();
}

/* -- texts ------------------------------------------------------------------------------------ */

__attribute__((noinline)) static char *make_text(uint64_t number)
{
    size_t bytes = TEXT_BYTES;
    char *text = memset(take(bytes), (int)(number % 100), bytes);
    for (int step = 0; step < STEPS; step++) {
        text = take_more(text, bytes, bytes + STEP_BYTES);
        memset(text + bytes, step, STEP_BYTES);
        bytes += STEP_BYTES;
    }
    return text;
}

__attribute__((noinline)) static void run_text(uint64_t number)
{
    char *lines[LINES];
    begin("text");
    for (uint64_t i = 0; i < LINES; i++)
        lines[i] = make_name(number + i);
    char *text = make_text(number);
    for (size_t i = 0; i < LINES; i++)
        add((uint64_t)(lines[i][0] + text[i * TEXT_BYTES / LINES]));
    for (size_t i = 0; i < LINES && txn == NULL; i++)
        free(lines[i]);
    if (txn == NULL)
        free(text);
    end();
}

/* -- the program ------------------------------------------------------------------------------ */

int main(int argc, char **argv)
{
    void (*work)(uint64_t number) = run_tree;
    uint64_t rounds = 2000;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--memory") == 0)
            in_transactions = strcmp(argv[i + 1], "transaction") == 0 && mpress_txn_begin != NULL;
        if (strcmp(argv[i], "--work") == 0 && strcmp(argv[i + 1], "texts") == 0)
            work = run_text;
        if (strcmp(argv[i], "--rounds") == 0)
            rounds = strtoull(argv[i + 1], NULL, 10);
    }
    for (uint64_t i = 0; i < rounds; i++)
        work(i);
    fprintf(stderr, "memory: %s\n", in_transactions ? "transaction" : "malloc");
    if (in_transactions)
        fprintf(stderr, "%" PRIu64 " transactions\n", transactions);
    printf("digest %016" PRIx64 "\n", digest);
    return 0;
}
