/* demangle.c - through libiberty, which gdb and binutils use: it knows C++ and both Rust schemes.
 */
#define _GNU_SOURCE /* strdup */
#include "tools/symbols/demangle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libiberty/demangle.h>

static char *check(char *name)
{
    if (name == NULL) {
        fputs("mpress: out of memory\n", stderr);
        exit(1);
    }
    return name;
}

/* Names come out of files that may be damaged or hostile; no real one is longer. */
enum { NAME_MAX_BYTES = 64 * 1024 };

char *demangle(const char *name)
{
    if (strncmp(name, "_Z", 2) != 0 && strncmp(name, "_R", 2) != 0)
        return check(strdup(name));
    char *readable =
        strlen(name) > NAME_MAX_BYTES ? NULL : cplus_demangle(name, DMGL_AUTO | DMGL_RET_DROP);
    return readable != NULL ? readable : check(strdup(name));
}

/* Length of an operator's name that begins at `at` and may hold < or >; 0: none does. */
static size_t match_operator(const char *at)
{
    static const char *const operators[] = {
        "operator<=>", "operator<<=", "operator>>=", "operator->*", "operator<<", "operator>>",
        "operator<=",  "operator>=",  "operator->",  "operator<",   "operator>"};
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        size_t length = strlen(operators[i]);
        if (strncmp(at, operators[i], length) == 0)
            return length;
    }
    return 0;
}

void demangle_shorten(char *name)
{
    char *out = name;
    unsigned depth = 0;
    for (const char *at = name; *at != '\0';) {
        size_t operator_bytes = match_operator(at);
        if (operator_bytes != 0) {
            if (depth == 0)
                out = (char *)memmove(out, at, operator_bytes) + operator_bytes;
            at += operator_bytes;
            continue;
        }
        /* "<...>" is put down at the closing bracket, when at least as much has been read. */
        depth += *at == '<';
        if (depth == 0)
            *out++ = *at;
        if (*at == '>' && depth > 0 && --depth == 0) {
            size_t room = (size_t)(at + 1 - out);
            const char *mark = room >= 5 ? "<...>" : "<>";
            size_t bytes = room >= 5 ? 5 : 2;
            out = (char *)memcpy(out, mark, bytes) + bytes;
        }
        at++;
    }
    *out = '\0';
}
