/* request.c - PING, SET, GET, DEL, DBSIZE, SHUTDOWN as of Redis, and
 *
 *     JGET key path ...     parts of the JSON document that is the key's value, as an array
 *     JSUM key path name    how many elements the array at `path` has, and the sum of their `name`
 */
#include "tests/users/request.h"

#include <stdarg.h>
#include <stdio.h>

#include "tests/users/json.h"

enum { LONGEST = 64 * 1024 * 1024 };

/* -- reading ---------------------------------------------------------------------------------- */

/* The number behind `mark` at bytes[*at], and past its line: 1; 0: not whole; -1: it is none. */
static int read_count(const char *bytes, size_t length, size_t *at, char mark, long *count)
{
    const char *end = *at < length ? memchr(bytes + *at, '\n', length - *at) : NULL;
    if (*at < length && bytes[*at] != mark)
        return -1;
    if (end == NULL)
        return length - *at > 32 ? -1 : 0;
    char *behind;
    *count = strtol(bytes + *at + 1, &behind, 10);
    *at = (size_t)(end - bytes) + 1;
    return behind == end - 1 && *count >= 0 && *count <= LONGEST ? 1 : -1;
}

static int read_word(struct request *request, const char *bytes, size_t length, size_t *at)
{
    long count;
    int result = read_count(bytes, length, at, '$', &count);
    if (result <= 0)
        return result;
    if (length - *at < (size_t)count + 2)
        return 0;
    struct text *word = &request->words[request->count++];
    word->p = temp_copy(&request->temp, bytes + *at, (size_t)count);
    word->length = (size_t)count;
    *at += (size_t)count + 2;
    return 1;
}

long request_read(struct request *request, const char *bytes, size_t length)
{
    size_t at = 0;
    long words;
    int result = read_count(bytes, length, &at, '*', &words);
    if (result > 0 && (words == 0 || words > REQUEST_WORDS))
        return -1;
    for (long i = 0; result > 0 && i < words; i++)
        result = read_word(request, bytes, length, &at);
    return result > 0 ? (long)at : result;
}

/* -- replying --------------------------------------------------------------------------------- */

static void add(struct request *request, const char *bytes, size_t length)
{
    if (request->length + length > request->room) {
        size_t room = 2 * (request->length + length) + 64;
        char *reply = temp_alloc(&request->temp, room);
        if (request->length > 0)
            memcpy(reply, request->reply, request->length);
        request->reply = reply;
        request->room = room;
    }
    memcpy(request->reply + request->length, bytes, length);
    request->length += length;
}

static __attribute__((format(printf, 2, 3))) void say(struct request *request, const char *format,
                                                      ...)
{
    char line[128];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    add(request, line, (size_t)length);
    add(request, "\r\n", 2);
}

static void say_text(struct request *request, const char *p, size_t length)
{
    if (p == NULL) {
        say(request, "$-1");
        return;
    }
    say(request, "$%zu", length);
    add(request, p, length);
    add(request, "\r\n", 2);
}

/* -- commands --------------------------------------------------------------------------------- */

static void ping(struct request *request)
{
    say(request, "+PONG");
}

static void set(struct request *request)
{
    store_set(&request->words[1], &request->words[2]);
    say(request, "+OK");
}

static void get(struct request *request)
{
    struct text value = store_get(&request->words[1], &request->temp);
    say_text(request, value.p, value.length);
}

static void del(struct request *request)
{
    int removed = 0;
    for (size_t i = 1; i < request->count; i++)
        removed += store_remove(&request->words[i]);
    say(request, ":%d", removed);
}

static void dbsize(struct request *request)
{
    say(request, ":%zu", store_count());
}

static void shut_down(struct request *request)
{
    request->is_last = true;
    say(request, "+OK");
}

/* NULL, and an answer: there is none. */
static struct json *document_of(struct request *request)
{
    struct text value = store_get(&request->words[1], &request->temp);
    struct json *json = value.p != NULL ? json_parse(&request->temp, value.p) : NULL;
    if (value.p == NULL)
        say_text(request, NULL, 0);
    else if (json == NULL)
        say(request, "-ERR the value is not JSON");
    return json;
}

static void jget(struct request *request)
{
    const struct json *json = document_of(request);
    if (json == NULL)
        return;
    say(request, "*%zu", request->count - 2);
    for (size_t i = 2; i < request->count; i++) {
        const struct json *part = json_find(json, request->words[i].p);
        const char *text = part != NULL ? part->text : NULL;
        say_text(request, text, text != NULL ? strlen(text) : 0);
    }
}

static void jsum(struct request *request)
{
    const struct json *json = document_of(request);
    if (json == NULL)
        return;
    long long sum = 0, elements = 0;
    json = json_find(json, request->words[2].p);
    for (json = json != NULL ? json->first : NULL; json != NULL; json = json->next) {
        const struct json *part = json_find(json, request->words[3].p);
        sum += part != NULL && part->text != NULL ? strtoll(part->text, NULL, 10) : 0;
        elements++;
    }
    say(request, "*2\r\n:%lld\r\n:%lld", elements, sum);
}

static const struct {
    const char *name;
    size_t least; /* words */
    void (*serve)(struct request *request);
} commands[] = {{"GET", 2, get},       {"SET", 3, set},           {"DEL", 2, del},
                {"JGET", 3, jget},     {"JSUM", 4, jsum},         {"PING", 1, ping},
                {"DBSIZE", 1, dbsize}, {"SHUTDOWN", 1, shut_down}};

void request_serve(struct request *request)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, request->words[0].p) != 0)
            continue;
        if (request->count < commands[i].least)
            say(request, "-ERR more words are wanted");
        else
            commands[i].serve(request);
        return;
    }
    say(request, "-ERR there is no such command");
}
