/* store.h - keys and values of the server, which outlive requests: malloc's. Any thread. */
#ifndef STORE_H
#define STORE_H

#include "tests/users/temp.h"

struct text {
    char *p; /* ends with 0, which `length` does not count */
    size_t length;
};

void store_set(const struct text *key, const struct text *value);

/* A copy in the request's memory; p NULL: there is no such key. */
struct text store_get(const struct text *key, struct temp *temp);

/* Whether it was there. */
bool store_remove(const struct text *key);

size_t store_count(void);

#endif
