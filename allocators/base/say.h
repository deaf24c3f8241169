/* say.h - text without stdio or allocation: messages to stderr and small texts in caller's buffers.
 * Safe in any thread, in signal handlers, before and after main. */
#ifndef MPRESS_BASE_SAY_H
#define MPRESS_BASE_SAY_H

#include <stdarg.h>
#include <stddef.h>

/* A text under construction in the caller's buffer; always NUL-terminated, cut when full. */
struct text {
    char *at;        /* first byte of the buffer */
    size_t used;     /* bytes written, without the NUL */
    size_t capacity; /* bytes of the buffer, at least 1 */
};

#define TEXT_IN(array) ((struct text){.at = (array), .used = 0, .capacity = sizeof(array)})

/* Appends. Understands %s %c %d %u %x %zu %lu %p and %%; anything else is copied as it stands. */
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_list(struct text *text, const char *format, va_list list);

/* One line on stderr: "mpress: ", the text (cut at 500 bytes), newline; in one write. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
