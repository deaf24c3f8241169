/* names.c - see names.h. */
#include "tools/export/names.h"

#include <string.h>

struct wanted {
    const struct names *names;
    const char *text;
};

void names_init(struct names *names, struct store *store)
{
    *names = (struct names){.store = store, .index = {.store = store}};
}

/* FNV-1a (Fowler, Noll, Vo). */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash;
}

static bool has_text(const void *wanted_, uint32_t number)
{
    const struct wanted *wanted = wanted_;
    return strcmp(wanted->names->text[number], wanted->text) == 0;
}

uint32_t names_get(struct names *names, const char *text)
{
    struct wanted wanted = {names, text};
    uint32_t next = names->count;
    uint32_t number = index_get(&names->index, hash_text(text), has_text, &wanted, next);
    if (number != next)
        return number;
    if (next == names->room) {
        size_t room = 2 * names->room + 256;
        names->text = store_grow(names->store, names->text, next, room, sizeof names->text[0]);
        names->room = room;
    }
    names->text[next] = store_copy_text(names->store, text);
    names->count++;
    return next;
}
