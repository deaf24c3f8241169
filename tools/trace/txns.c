/* txns.c - see txns.h */
#include "tools/trace/txns.h"

#include <stdlib.h>
#include <string.h>

#include "tools/trace/file.h"
#include "tools/trace/memory.h"

/* -- which are open --------------------------------------------------------------------------- */

static struct txns_open *opened(const struct txns *txns, uint32_t seat)
{
    return *(struct txns_open **)objects_get(&txns->open, seat);
}

struct txns_open *txns_get(struct txns *txns, uint32_t number)
{
    if (!txns->is_used)
        objects_init(&txns->open, sizeof(struct txns_open *));
    txns->is_used = true;
    uint32_t known = objects_find(&txns->open, number);
    if (known != 0)
        return opened(txns, known);
    struct txns_open *txn = memory_alloc(1, sizeof(*txn));
    txn->number = number;
    uint32_t seat = objects_insert(&txns->open, number);
    *(struct txns_open **)objects_get(&txns->open, seat) = txn;
    return txn;
}

static void leave(struct txns_open *txn)
{
    if (txn->previous != NULL)
        txn->previous->next = txn->next;
    else if (txn->parent != NULL)
        txn->parent->children = txn->next;
    if (txn->next != NULL)
        txn->next->previous = txn->previous;
    txn->parent = txn->next = txn->previous = NULL;
}

static void join(struct txns_open *txn, struct txns_open *parent)
{
    txn->parent = parent;
    txn->next = parent->children;
    if (txn->next != NULL)
        txn->next->previous = txn;
    parent->children = txn;
}

void txns_begin(struct txns *txns, uint32_t number, uint32_t parent)
{
    struct txns_open *txn = txns_get(txns, number);
    leave(txn);
    if (parent != 0 && parent < number)
        join(txn, txns_get(txns, parent));
}

const struct txns_open *txns_next(const struct txns *txns, size_t *place)
{
    uint64_t number;
    uint32_t seat;
    bool is_there = txns->is_used && objects_next(&txns->open, place, &number, &seat);
    return is_there ? opened(txns, seat) : NULL;
}

/* -- blocks ----------------------------------------------------------------------------------- */

void txns_add(struct txns_open *txn, const struct txns_block *block)
{
    txn->blocks = memory_grow(txn->blocks, txn->count, &txn->capacity, sizeof(*txn->blocks));
    txn->blocks[txn->count++] = *block;
}

bool txns_take(struct txns_open *txn, uint64_t kept, struct txns_block *block)
{
    if (txn->count <= kept)
        return false;
    *block = txn->blocks[--txn->count];
    return true;
}

void txns_end(struct txns *txns, struct txns_open *txn)
{
    for (size_t i = 0; txn->parent != NULL && i < txn->count; i++)
        txns_add(txn->parent, &txn->blocks[i]);
    while (txn->children != NULL) /* the file is wrong: their ends would stand before */
        leave(txn->children);
    leave(txn);
    objects_remove(&txns->open, txn->number);
    free(txn->blocks);
    free(txn);
}

/* -- names ------------------------------------------------------------------------------------ */

uint64_t txns_name(struct txns *txns, const unsigned char *name, size_t bytes)
{
    static const unsigned char others[] = "(others)";
    bool is_full = txns->name_count >= TXNS_NAMES_MOST;
    char *text = is_full ? file_copy_text(others, sizeof(others) - 1) : file_copy_text(name, bytes);
    for (size_t i = 0; i < txns->name_count; i++) {
        if (strcmp(txns->names[i], text) == 0) {
            free(text);
            return i;
        }
    }
    if (txns->names == NULL)
        txns->names = memory_alloc(TXNS_NAMES_MOST + 1, sizeof(*txns->names));
    txns->names[txns->name_count] = text;
    return txns->name_count++;
}

void txns_fini(struct txns *txns)
{
    const struct txns_open *txn;
    for (size_t place = 0; (txn = txns_next(txns, &place)) != NULL;) {
        free(txn->blocks);
        free((void *)(uintptr_t)txn);
    }
    if (txns->is_used)
        objects_fini(&txns->open);
    for (size_t i = 0; i < txns->name_count; i++)
        free(txns->names[i]);
    free(txns->names);
}
