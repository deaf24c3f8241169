/* death.h - a program that misuses its heap in one way, on purpose.
 *
 * It prints the address the message must name, misuses it, prints "survived the call", works on so
 * that every cache is turned over, and ends with exit code 0 if nobody stopped it. */
#ifndef MPRESS_TESTS_DEATH_H
#define MPRESS_TESTS_DEATH_H

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Hides from the compiler where a pointer comes from. */
static inline void *hidden(void *p)
{
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

static inline void print_line(const char *format, void *p)
{
    char line[64];
    int length = snprintf(line, sizeof(line), format, p);
    if (write(STDOUT_FILENO, line, (size_t)length) < 0)
        _exit(3);
}

static inline void name_address(void *p)
{
    print_line("%p\n", p);
}

/* Enough of every size to fill and empty every cache, then asks for whatever is cached. */
static inline void work_on(void)
{
    enum { BLOCKS = 20000 };
    static void *blocks[BLOCKS];
    print_line("survived the call\n", NULL);
    for (size_t bytes = 16; bytes <= 70000; bytes += bytes / 3) {
        int count = bytes <= 4096 ? BLOCKS : BLOCKS / 16;
        for (int i = 0; i < count; i++)
            blocks[i] = malloc(bytes);
        for (int i = 0; i < count; i++)
            free(blocks[i]);
    }
    malloc_trim(0);
}

#endif
