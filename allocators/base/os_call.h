/* os_call.h - system calls without libc: no errno, no cancellation, no interposition. For os_*.c.
 */
#ifndef MPRESS_BASE_OS_CALL_H
#define MPRESS_BASE_OS_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
static inline long call6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static inline long call6(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#else
#error "mpress knows the system calls of x86-64 and aarch64"
#endif

static inline long call3(long number, long a, long b, long c)
{
    return call6(number, a, b, c, 0, 0, 0);
}

static inline bool failed(long result)
{
    return result < 0 && result > -4096;
}

static inline int error_of(long result)
{
    return failed(result) ? (int)-result : 0;
}

static inline void *pointer_of(long result)
{
    return failed(result) ? NULL : (void *)result;
}

/* -- files of the system, line by line (os_process.c) ----------------------------------------- */

typedef void os_line(const char *line, void *context);

/* False: it cannot be read. */
bool os_visit_lines(const char *path, os_line *take, void *context);

/* A number at *at, which moves behind it; the first character that is no blank. */
uint64_t os_line_number(const char **at, unsigned base);
const char *os_line_skip(const char *line);

/* The line of statm; false: it is none. */
struct os_sizes;
bool os_statm_parse(const char *line, struct os_sizes *sizes);

/* A line of a pressure file, for a struct os_pressure; one of a group's memory.stat. */
void os_pressure_take(const char *line, void *pressure);
struct os_group_files {
    uint64_t bytes;
    bool is_unified;
};
void os_group_take_files(const char *line, void *files);

/* Adds the line's number of KiB when it is `name`'s. */
bool os_line_take(const char *line, const char *name, uint64_t *bytes);

#endif
