/* json.c - see json.h. */
#include "tests/users/json.h"

#include <ctype.h>
#include <string.h>

enum { DEEPEST = 64 };

struct source {
    struct temp *temp;
    const char *at;
    int depth;
};

static struct json *parse_value(struct source *source);

static void skip_blanks(struct source *source)
{
    while (isspace((unsigned char)*source->at))
        source->at++;
}

static bool skip(struct source *source, char wanted)
{
    skip_blanks(source);
    if (*source->at != wanted)
        return false;
    source->at++;
    return true;
}

static struct json *make(struct source *source, enum json_kind kind)
{
    struct json *json = temp_alloc(source->temp, sizeof(*json));
    *json = (struct json){.kind = kind};
    return json;
}

/* Behind the quote. */
static const char *parse_string(struct source *source)
{
    const char *end = source->at;
    while (*end != '"' && *end != '\0')
        end += *end == '\\' && end[1] != '\0' ? 2 : 1;
    if (*end == '\0')
        return NULL;
    char *text = temp_alloc(source->temp, (size_t)(end - source->at) + 1), *to = text;
    for (const char *from = source->at; from < end; from++) {
        from += *from == '\\';
        *to++ = *from;
    }
    *to = '\0';
    source->at = end + 1;
    return text;
}

static struct json *parse_word(struct source *source)
{
    const char *end = source->at;
    while (isalnum((unsigned char)*end) || (*end != '\0' && strchr("+-.", *end) != NULL))
        end++;
    if (end == source->at)
        return NULL;
    struct json *json = make(source, JSON_WORD);
    json->text = temp_copy(source->temp, source->at, (size_t)(end - source->at));
    source->at = end;
    return json;
}

static struct json *parse_part(struct source *source, enum json_kind kind)
{
    const char *key = NULL;
    if (kind == JSON_OBJECT) {
        key = skip(source, '"') ? parse_string(source) : NULL;
        if (key == NULL || !skip(source, ':'))
            return NULL;
    }
    struct json *part = parse_value(source);
    if (part != NULL)
        part->key = key;
    return part;
}

static struct json *parse_parts(struct source *source, enum json_kind kind)
{
    char end = kind == JSON_OBJECT ? '}' : ']';
    struct json *json = make(source, kind), **last = &json->first;
    if (skip(source, end))
        return json;
    do {
        *last = parse_part(source, kind);
        if (*last == NULL)
            return NULL;
        last = &(*last)->next;
    } while (skip(source, ','));
    return skip(source, end) ? json : NULL;
}

static struct json *parse_value(struct source *source)
{
    struct json *json = NULL;
    if (++source->depth > DEEPEST)
        return NULL;
    if (skip(source, '{')) {
        json = parse_parts(source, JSON_OBJECT);
    } else if (skip(source, '[')) {
        json = parse_parts(source, JSON_ARRAY);
    } else if (skip(source, '"')) {
        json = make(source, JSON_STRING);
        json->text = parse_string(source);
        json = json->text != NULL ? json : NULL;
    } else {
        json = parse_word(source);
    }
    source->depth--;
    return json;
}

struct json *json_parse(struct temp *temp, const char *text)
{
    struct source source = {.temp = temp, .at = text};
    struct json *json = parse_value(&source);
    skip_blanks(&source);
    return *source.at == '\0' ? json : NULL;
}

static const struct json *part_of(const struct json *json, const char *name, size_t length)
{
    unsigned long index = strtoul(name, NULL, 10);
    const struct json *part = json->first;
    if (json->kind == JSON_ARRAY) {
        while (part != NULL && index-- > 0)
            part = part->next;
        return part;
    }
    while (part != NULL && (strncmp(part->key, name, length) != 0 || part->key[length] != '\0'))
        part = part->next;
    return part;
}

const struct json *json_find(const struct json *json, const char *path)
{
    while (json != NULL && *path != '\0') {
        size_t length = strcspn(path, ".");
        json = part_of(json, path, length);
        path += length;
        path += *path == '.';
    }
    return json;
}
