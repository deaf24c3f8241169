/* store.c - a hash table of chains, one lock for every so many of them. */
#include "tests/users/store.h"

#include <pthread.h>
#include <stdatomic.h>

enum { CHAINS = 1 << 14, LOCKS = 64 };

struct entry {
    struct entry *next;
    size_t key_length, value_length;
    char *value;
    char key[];
};

static struct entry *chains[CHAINS];
static pthread_mutex_t locks[LOCKS] = {[0 ... LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER};
static _Atomic size_t count;

static size_t chain_of(const struct text *key)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < key->length; i++)
        hash = (hash ^ (unsigned char)key->p[i]) * UINT64_C(1099511628211);
    return (size_t)(hash >> 40) % CHAINS;
}

static struct entry **find(size_t chain, const struct text *key)
{
    struct entry **link = &chains[chain];
    while (*link != NULL &&
           ((*link)->key_length != key->length || memcmp((*link)->key, key->p, key->length) != 0))
        link = &(*link)->next;
    return link;
}

static struct entry *add(struct entry **link, const struct text *key)
{
    struct entry *entry = malloc(sizeof(*entry) + key->length);
    if (entry == NULL)
        abort();
    *entry = (struct entry){.key_length = key->length};
    memcpy(entry->key, key->p, key->length);
    *link = entry;
    atomic_fetch_add(&count, 1);
    return entry;
}

void store_set(const struct text *key, const struct text *value)
{
    size_t chain = chain_of(key);
    char *copy = malloc(value->length + 1);
    if (copy == NULL)
        abort();
    memcpy(copy, value->p, value->length + 1);
    pthread_mutex_lock(&locks[chain % LOCKS]);
    struct entry **link = find(chain, key);
    struct entry *entry = *link != NULL ? *link : add(link, key);
    char *old = entry->value;
    entry->value = copy;
    entry->value_length = value->length;
    pthread_mutex_unlock(&locks[chain % LOCKS]);
    free(old);
}

struct text store_get(const struct text *key, struct temp *temp)
{
    size_t chain = chain_of(key);
    struct text value = {NULL, 0};
    pthread_mutex_lock(&locks[chain % LOCKS]);
    const struct entry *entry = *find(chain, key);
    if (entry != NULL) {
        value.length = entry->value_length;
        value.p = temp_copy(temp, entry->value, entry->value_length);
    }
    pthread_mutex_unlock(&locks[chain % LOCKS]);
    return value;
}

bool store_remove(const struct text *key)
{
    size_t chain = chain_of(key);
    pthread_mutex_lock(&locks[chain % LOCKS]);
    struct entry **link = find(chain, key);
    struct entry *entry = *link;
    if (entry != NULL)
        *link = entry->next;
    pthread_mutex_unlock(&locks[chain % LOCKS]);
    if (entry == NULL)
        return false;
    atomic_fetch_sub(&count, 1);
    free(entry->value);
    free(entry);
    return true;
}

size_t store_count(void)
{
    return atomic_load(&count);
}
