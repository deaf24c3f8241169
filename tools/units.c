/* units.c - three significant digits, never "1000.0 KiB": the unit changes before that shows. */
#include "tools/units.h"

#include <stdio.h>
#include <string.h>

/* Three digits where they mean something: 1.25, 12.4, 312. */
static void put_scaled(struct units *out, double value, const char *unit)
{
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(out->at, sizeof out->at, "%.*f %s", decimals, value, unit);
}

struct units units_bytes(uint64_t bytes)
{
    static const char *const names[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct units out;
    if (bytes < 1024) {
        snprintf(out.at, sizeof out.at, "%u B", (unsigned)bytes);
        return out;
    }
    double value = (double)bytes / 1024;
    unsigned name = 0;
    for (; value >= 999.5 && name + 1 < sizeof names / sizeof names[0]; name++)
        value /= 1024;
    put_scaled(&out, value, names[name]);
    return out;
}

struct units units_count(uint64_t count)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    struct units out;
    size_t at = 0;
    for (int i = 0; i < length; i++) {
        if (i != 0 && (length - i) % 3 == 0)
            out.at[at++] = ',';
        out.at[at++] = digits[i];
    }
    out.at[at] = '\0';
    return out;
}

struct units units_rate(double per_second)
{
    struct units out;
    if (per_second >= 999.5e6)
        put_scaled(&out, per_second / 1e9, "G/s");
    else if (per_second >= 999.5e3)
        put_scaled(&out, per_second / 1e6, "M/s");
    else if (per_second >= 999.5)
        put_scaled(&out, per_second / 1e3, "k/s");
    else
        snprintf(out.at, sizeof out.at, "%.0f /s", per_second);
    return out;
}

struct units units_duration(uint64_t ns)
{
    struct units out;
    double seconds = (double)ns / 1e9;
    if (ns < 1000)
        snprintf(out.at, sizeof out.at, "%u ns", (unsigned)ns);
    else if (seconds < 999.5e-6)
        put_scaled(&out, seconds * 1e6, "us");
    else if (seconds < 0.9995)
        put_scaled(&out, seconds * 1e3, "ms");
    else if (seconds < 119.5)
        put_scaled(&out, seconds, "s");
    else if (seconds < 2 * 3600)
        snprintf(out.at, sizeof out.at, "%u min %02u s", (unsigned)seconds / 60,
                 (unsigned)seconds % 60);
    else
        snprintf(out.at, sizeof out.at, "%llu h %02u min", (unsigned long long)seconds / 3600,
                 (unsigned)((uint64_t)seconds / 60 % 60));
    return out;
}

struct units units_percent(uint64_t part, uint64_t whole)
{
    struct units out;
    if (whole == 0) {
        strcpy(out.at, "-");
        return out;
    }
    double percent = 100.0 * (double)part / (double)whole;
    if (part != 0 && percent < 0.05)
        strcpy(out.at, "<0.1 %");
    else if (percent > 999)
        strcpy(out.at, ">999 %");
    else
        snprintf(out.at, sizeof out.at, "%.*f %%", part == whole ? 0 : 1, percent);
    return out;
}

struct units units_plural(uint64_t count, const char *one)
{
    struct units out;
    struct units number = units_count(count);
    snprintf(out.at, sizeof out.at, "%.26s %.14s%s", number.at, one, count == 1 ? "" : "s");
    return out;
}
