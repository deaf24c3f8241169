/* json.h - documents as trees in a request's memory. */
#ifndef JSON_H
#define JSON_H

#include "tests/users/temp.h"

enum json_kind { JSON_WORD, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    const char *key;    /* of a member; NULL: of an array, or the whole */
    const char *text;   /* of a word (numbers, true, ...) or string, decoded */
    struct json *first; /* member or element; the others follow by `next` */
    struct json *next;
};

/* NULL: it is not one. */
struct json *json_parse(struct temp *temp, const char *text);

/* Of a path like "lines.2.name"; NULL: there is no such part. */
const struct json *json_find(const struct json *json, const char *path);

#endif
