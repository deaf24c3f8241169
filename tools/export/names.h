/* names.h - texts, each once, numbered from 0. */
#ifndef MPRESS_TOOLS_EXPORT_NAMES_H
#define MPRESS_TOOLS_EXPORT_NAMES_H

#include "tools/export/index.h"
#include "tools/store.h"

struct names {
    struct store *store;
    struct index index;
    char **text;
    uint32_t count;
    size_t room;
};

void names_init(struct names *names, struct store *store);

/* The number of a text; a new one gets names->count. */
uint32_t names_get(struct names *names, const char *text);

#endif
