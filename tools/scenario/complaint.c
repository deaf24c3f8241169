/* complaint.c - see complaint.h */
#define _GNU_SOURCE /* strcasestr */
#include "tools/scenario/complaint.h"

#include <string.h>

/* Each has "mem" or "allo" in it. */
static const char *const words[] = {"out of memory",     "memoryerror",       "cannot allocate",
                                    "bad_alloc",         "memory exhausted",  "enomem",
                                    "outofmemory",       "not enough memory", "can't allocate",
                                    "allocation failed", "failed to allocate"};

enum { BLOCK = 64, BEHIND = 3 }; /* bytes that are looked at at once; of a word, behind the first */

/* Does one begin at one of these bytes? Without a branch, and a number of them that is known, so
 * that the compiler has sixteen looked at by each instruction. */
static bool is_in_block(const char *text)
{
    unsigned char found = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        unsigned char a = (unsigned char)text[i] | 32, b = (unsigned char)text[i + 1] | 32;
        unsigned char c = (unsigned char)text[i + 2] | 32, d = (unsigned char)text[i + 3] | 32;
        unsigned char mem = (unsigned char)((a ^ 'm') | (b ^ 'e') | (c ^ 'm'));
        unsigned char allo = (unsigned char)((a ^ 'a') | (b ^ 'l') | (c ^ 'l') | (d ^ 'o'));
        found |= (unsigned char)((mem == 0) | (allo == 0));
    }
    return found != 0;
}

bool complaint_may_be_in(const char *text, size_t length)
{
    size_t at = 0;
    for (; at + BLOCK + BEHIND <= length; at += BLOCK) {
        if (is_in_block(text + at))
            return true;
    }
    char rest[BLOCK + BLOCK + BEHIND] = {0};
    memcpy(rest, text + at, length - at);
    return is_in_block(rest) || is_in_block(rest + BLOCK);
}

bool complaint_is(const char *line, size_t length)
{
    if (!complaint_may_be_in(line, length))
        return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasestr(line, words[i]) != NULL)
            return true;
    }
    return false;
}
