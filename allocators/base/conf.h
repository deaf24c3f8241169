/* conf.h - the options of the library, read once from the environment. The rows are in conf.def. */
#ifndef MPRESS_BASE_CONF_H
#define MPRESS_BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONF_TEXT_BYTES = 1024 };

enum conf_heap { CONF_HEAP_MPRESS, CONF_HEAP_MIMALLOC, CONF_HEAP_MIXED };
enum conf_melt { CONF_MELT_OFF, CONF_MELT_ON, CONF_MELT_ALWAYS };
enum conf_fit { CONF_FIT_BEST, CONF_FIT_FIRST, CONF_FIT_WORST };
enum conf_trace {
    CONF_TRACE_OFF,
    CONF_TRACE_SAMPLE,
    CONF_TRACE_EVENTS,
    CONF_TRACE_FULL,
    CONF_TRACE_FLIGHT,
    CONF_TRACE_COUNTERS /* off: they are always on, and no file is written */
};

enum conf_pressure { CONF_PRESSURE_OFF, CONF_PRESSURE_ON, CONF_PRESSURE_VERBOSE };
enum conf_fail { CONF_FAIL_TRANSIENT, CONF_FAIL_PERSISTENT };
enum conf_policy { CONF_POLICY_WAIT, CONF_POLICY_DROP };
enum conf_thp { CONF_THP_OFF, CONF_THP_AUTO, CONF_THP_ON };
enum conf_hugetlb { CONF_HUGETLB_OFF, CONF_HUGETLB_2M, CONF_HUGETLB_1G };
enum conf_compression {
    CONF_COMPRESSION_OFF,
    CONF_COMPRESSION_ON,
    CONF_COMPRESSION_ALWAYS,
    CONF_COMPRESSION_OWN
};
enum conf_pace { CONF_PACE_OFF, CONF_PACE_ON, CONF_PACE_ALWAYS };

struct conf {
#define CONF_CHOICE(field, variable, default_, choices, help) unsigned field;
#define CONF_NUMBER(field, variable, default_, least, most, unit, help) uint64_t field;
#define CONF_FLAG(field, variable, default_, help) bool field;
#define CONF_TEXT(field, variable, default_, help) char field[CONF_TEXT_BYTES];
#include "allocators/base/conf.def"
#undef CONF_CHOICE
#undef CONF_NUMBER
#undef CONF_FLAG
#undef CONF_TEXT
};

/* Fills in the defaults. */
void conf_init(struct conf *conf);

/* Reads the MPRESS_ variables of an environment (NULL: none). What cannot be used (unknown name,
 * value outside its range) is named in one line on stderr each and keeps its default. Sizes take
 * the suffixes K, M, G and T (powers of 1024). */
void conf_read(struct conf *conf, char **environment);

/* A number as the options have it, with a suffix; false: it is none. */
bool conf_parse_number(const char *value, uint64_t *number);

/* One option as text, for `mpress options`. */
struct conf_row {
    const char *variable;
    const char *values; /* "off|sample|events|full", "0..3600000 ms", "0|1", "text" */
    const char *help;
    char value[64]; /* in effect, cut to fit */
    bool is_default;
};

/* Row number `index` of conf.def with its value in `conf`; false: no such row. */
bool conf_read_row(const struct conf *conf, size_t index, struct conf_row *row);

#endif
