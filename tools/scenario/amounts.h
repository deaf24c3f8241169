/* amounts.h - sizes and times as people write them on a command line or in a file. */
#ifndef MPRESS_TOOLS_SCENARIO_AMOUNTS_H
#define MPRESS_TOOLS_SCENARIO_AMOUNTS_H

#include <stdbool.h>
#include <stdint.h>

bool amounts_parse_bytes(const char *text, uint64_t *bytes);   /* "512M", "1G", "1.5G", "4096" */
bool amounts_parse_seconds(const char *text, double *seconds); /* "60", "500ms", "2m", "1.5s" */
bool amounts_parse_share(const char *text, double *share);     /* "0.6", "60%" */

#endif
