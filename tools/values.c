/* values.c - see values.h. */
#include "tools/values.h"

#include <stdio.h>

#include "tools/cli.h"

json_t *values_number(uint64_t n)
{
    return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

json_t *values_text(const char *text)
{
    if (text == NULL)
        return json_null();
    json_t *value = json_string(text);
    if (value != NULL)
        return value;
    char copy[4096];
    size_t i = 0;
    for (; text[i] != '\0' && i + 1 < sizeof copy; i++)
        copy[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    copy[i] = '\0';
    return json_string(copy);
}

void values_set_number(json_t *object, const char *key, uint64_t n)
{
    json_object_set_new(object, key, values_number(n));
}

void values_set_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, values_text(text));
}

int values_print(json_t *root, unsigned digits)
{
    int failed = json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(digits));
    json_decref(root);
    return failed != 0 || putchar('\n') == EOF ? CLI_FAILED : CLI_OK;
}
