/* amounts.c - see amounts.h */
#include "tools/scenario/amounts.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

static bool parse(const char *text, const struct unit *units, size_t count, double *value)
{
    char *rest;
    if (*text < '0' || *text > '9')
        return false;
    double number = strtod(text, &rest);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rest, units[i].name) == 0) {
            *value = number * units[i].factor;
            return isfinite(*value) && *value < 0x1p62;
        }
    }
    return false;
}

bool amounts_parse_bytes(const char *text, uint64_t *bytes)
{
    static const struct unit units[] = {{"", 1},         {"K", 0x1p10},   {"M", 0x1p20},
                                        {"G", 0x1p30},   {"T", 0x1p40},   {"KiB", 0x1p10},
                                        {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
    double value;
    if (!parse(text, units, sizeof units / sizeof units[0], &value) || value < 1)
        return false;
    *bytes = (uint64_t)value;
    return true;
}

bool amounts_parse_seconds(const char *text, double *seconds)
{
    static const struct unit units[] = {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"m", 60}, {"h", 3600}};
    return parse(text, units, sizeof units / sizeof units[0], seconds) && *seconds > 0 &&
           *seconds <= 1e6;
}

bool amounts_parse_share(const char *text, double *share)
{
    static const struct unit units[] = {{"", 1}, {"%", 0.01}, {" %", 0.01}};
    return parse(text, units, sizeof units / sizeof units[0], share);
}
