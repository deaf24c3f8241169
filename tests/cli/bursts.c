/* bursts.c KIND - what `mpress propose` is asked about: requests (each a burst of blocks, beside a
 * cache whose entries live on), random (lifetimes of any length), pairs (each block ends before the
 * next is born), escaping (as requests, but a quarter of each lives on), single (lists, by one
 * call). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS = 600, FIELDS = 12, CACHED = 64, PLACES = 400, RANDOM = 20000 };

struct field {
    char *name, *value;
    struct field *next;
};

static char *cache[CACHED], *places[PLACES], *kept[REQUESTS * FIELDS];
static unsigned kept_count;
static int escaping;

static unsigned next(void)
{
    static uint64_t seed = 7;
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33);
}

static char *copy(const char *text)
{
    char *p = malloc(strlen(text) + 1);
    return p != NULL ? strcpy(p, text) : abort(), p;
}

__attribute__((noinline)) static struct field *parse(unsigned number)
{
    struct field *fields = NULL;
    for (unsigned i = 0; i < FIELDS + number % 5; i++) {
        char text[64];
        struct field *field = malloc(sizeof(*field));
        snprintf(text, sizeof(text), "name %u", i);
        field->name = copy(text);
        snprintf(text, sizeof(text), "value %u of request %u", i, number);
        field->value = copy(text);
        field->next = fields;
        fields = field;
    }
    return fields;
}

__attribute__((noinline)) static char *answer(const struct field *field)
{
    char *text = malloc(2000);
    text[0] = '\0';
    for (; field != NULL; field = field->next)
        strcat(text, field->value);
    return text;
}

static void end(struct field *field, char *text)
{
    free(text);
    for (unsigned i = 0; field != NULL; i++) {
        struct field *rest = field->next;
        free(field->name);
        if (escaping && i % 2 == 0)
            kept[kept_count++ % (REQUESTS * FIELDS)] = field->value;
        else
            free(field->value);
        free(field);
        field = rest;
    }
}

__attribute__((noinline)) static void handle(unsigned number)
{
    struct field *fields = parse(number);
    char *text = answer(fields);
    end(fields, text);
}

__attribute__((noinline)) static void remember(unsigned number)
{
    unsigned at = next() % CACHED;
    free(cache[at]);
    cache[at] = malloc(20 + number % 100);
}

__attribute__((noinline)) static void replace(unsigned number)
{
    unsigned at = next() % PLACES;
    free(places[at]);
    places[at] = number % 2 != 0 ? malloc(10 + number % 90) : calloc(1, 100 + number % 300);
}

__attribute__((noinline)) static void use_briefly(unsigned number)
{
    char *volatile p = number % 2 != 0 ? malloc(10 + number % 90) : calloc(1, 100);
    free(p);
}

/* A list of a program that allocates here and nowhere else. */
__attribute__((noinline)) static void make_list(unsigned number)
{
    struct field *list = NULL;
    for (unsigned i = 0; i < 20 + number % 9; i++) {
        struct field *field = malloc(sizeof(*field));
        field->next = list;
        list = field;
    }
    while (list != NULL) {
        struct field *rest = list->next;
        free(list);
        list = rest;
    }
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    escaping = strcmp(kind, "escaping") == 0;
    for (unsigned i = 0; i < REQUESTS && (escaping || strcmp(kind, "requests") == 0); i++) {
        handle(i);
        remember(i);
    }
    for (unsigned i = 0; i < RANDOM && strcmp(kind, "random") == 0; i++)
        replace(i);
    for (unsigned i = 0; i < RANDOM && strcmp(kind, "pairs") == 0; i++)
        use_briefly(i);
    for (unsigned i = 0; i < REQUESTS && strcmp(kind, "single") == 0; i++)
        make_list(i);
    return 0;
}
