/* units.h - numbers as people read them. Each result is a small struct, so that
 * `printf("%s", units_bytes(n).at)` needs no buffer of the caller's. */
#ifndef MPRESS_TOOLS_UNITS_H
#define MPRESS_TOOLS_UNITS_H

#include <stdint.h>

struct units {
    char at[48];
};

struct units units_bytes(uint64_t bytes);                   /* "12.4 MiB", "512 B" */
struct units units_count(uint64_t count);                   /* "1,234,567" */
struct units units_rate(double per_second);                 /* "5.3 M/s" */
struct units units_duration(uint64_t ns);                   /* "1.25 s", "840 us", "2 min 05 s" */
struct units units_percent(uint64_t part, uint64_t whole);  /* "43.1 %"; "-" of nothing */
struct units units_plural(uint64_t count, const char *one); /* "1 block", "1,032 blocks" */

#endif
