/* stats_txns.c - see stats_txns.h. */
#include "tools/stats_txns.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/units.h"
#include "tools/values.h"

bool stats_txns_are_sound(struct control_txns *txns)
{
    if (txns->names > CONTROL_TXNS)
        return false;
    for (uint64_t i = 0; i < txns->names; i++)
        txns->name[i].name[sizeof txns->name[i].name - 1] = '\0';
    return true;
}

/* -- text ------------------------------------------------------------------------------------- */

static uint64_t count_ended(const struct control_txn *name)
{
    return name->committed + name->rolled_back;
}

static int by_ended(const void *a, const void *b)
{
    uint64_t left = count_ended(a), right = count_ended(b);
    return (left < right) - (left > right);
}

struct text {
    char at[17];
};

/* Nothing of the process reaches a terminal unfiltered. */
static struct text show(const struct control_txn *name)
{
    struct text text;
    snprintf(text.at, sizeof text.at, "%.16s", name->name[0] != '\0' ? name->name : "(no name)");
    for (char *at = text.at; *at != '\0'; at++)
        *at = *at < ' ' || *at > '~' ? '?' : *at;
    return text;
}

static void print_name(const struct control_txn *name)
{
    if (count_ended(name) == 0)
        return;
    uint64_t used = name->used < name->reserved ? name->used : name->reserved;
    printf("  %-16s %13s %8s %10s %10s %7s\n", show(name).at, units_count(count_ended(name)).at,
           units_percent(name->rolled_back, count_ended(name)).at,
           units_bytes(name->used / count_ended(name)).at, units_bytes(name->most_used).at,
           units_percent(name->reserved - used, name->reserved).at);
}

static void say_more(const struct control_txn *name)
{
    if (name->malloced != 0)
        printf("  \"%s\": of %s that malloc took out of it %s escaped.\n", show(name).at,
               units_plural(name->malloced, "block").at, units_count(name->escaped).at);
    if (name->abandoned != 0)
        printf("  \"%s\": %s rolled back with the parent or the thread.\n", show(name).at,
               units_count(name->abandoned).at);
}

void stats_txns_print(struct control_txns *txns, unsigned top)
{
    if (txns->open == 0 && txns->names == 0)
        return;
    printf("\nTRANSACTIONS  %s open, with %s in %s\n", units_count(txns->open).at,
           units_bytes(txns->used).at, units_plural(txns->blocks, "block").at);
    puts("  name                     ended     back       mean    largest   waste");
    qsort(txns->name, txns->names, sizeof txns->name[0], by_ended);
    for (uint64_t i = 0; i < txns->names && i < top; i++)
        print_name(&txns->name[i]);
    for (uint64_t i = 0; i < txns->names && i < top; i++)
        say_more(&txns->name[i]);
}

/* -- JSON ------------------------------------------------------------------------------------- */

static json_t *make_name(const struct control_txn *name)
{
    json_t *object = json_object();
    values_set_text(object, "name", name->name);
    values_set_number(object, "committed", name->committed);
    values_set_number(object, "rolled_back", name->rolled_back);
    values_set_number(object, "abandoned", name->abandoned);
    values_set_number(object, "blocks", name->blocks);
    values_set_number(object, "used_bytes", name->used);
    values_set_number(object, "reserved_bytes", name->reserved);
    values_set_number(object, "largest_bytes", name->most_used);
    values_set_number(object, "expected_bytes", name->first_bytes);
    values_set_number(object, "malloc_blocks", name->malloced);
    values_set_number(object, "escaped", name->escaped);
    return object;
}

json_t *stats_txns_json(const struct control_txns *txns)
{
    json_t *object = json_object(), *names = json_array();
    values_set_number(object, "open", txns->open);
    values_set_number(object, "open_blocks", txns->blocks);
    values_set_number(object, "open_used_bytes", txns->used);
    values_set_number(object, "open_reserved_bytes", txns->reserved);
    for (uint64_t i = 0; i < txns->names; i++)
        json_array_append_new(names, make_name(&txns->name[i]));
    json_object_set_new(object, "names", names);
    return object;
}
