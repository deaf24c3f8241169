/* series.h - how much memory something used, second by second: out of CSV files (plain or gzip) and
 * out of the samples of traces. */
#ifndef MPRESS_TOOLS_FORECAST_SERIES_H
#define MPRESS_TOOLS_FORECAST_SERIES_H

#include <stddef.h>
#include <stdint.h>

enum { SERIES_NAME_BYTES = 64, SERIES_CLASS_BYTES = 16 };

struct series {
    char name[SERIES_NAME_BYTES];
    char class[SERIES_CLASS_BYTES]; /* "": the file does not say */
    char signal[SERIES_CLASS_BYTES];
    double tick_s; /* between two values */
    size_t count;
    double *used; /* bytes */
    double limit; /* of the last line, bytes; 0: the file does not say */
};

struct series_list {
    struct series *series;
    size_t count;
};

/* Adds all series of a file to the list. `signal`: which column; NULL: the first that there is of
 * resident_heap, rss_anon, rss, used. CLI_GO_ON, or CLI_FAILED after a line. */
int series_read(const char *path, const char *signal, struct series_list *list);
void series_free(struct series_list *list);

#endif
