/* values.h - what all JSON output shares. */
#ifndef MPRESS_TOOLS_VALUES_H
#define MPRESS_TOOLS_VALUES_H

#include <jansson.h>
#include <stdint.h>

/* Its integers are signed; nothing real is above 2^63. */
json_t *values_number(uint64_t n);

/* Names and paths are the user's, and may be no UTF-8; JSON must be: '?' for each byte that is not.
 * null for NULL. */
json_t *values_text(const char *text);

void values_set_number(json_t *object, const char *key, uint64_t n);
void values_set_text(json_t *object, const char *key, const char *text);

/* To stdout, reals with that many digits; `root` is gone then. CLI_OK, or CLI_FAILED. */
int values_print(json_t *root, unsigned digits);

#endif
