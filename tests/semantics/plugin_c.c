/* plugin_c.c - a plugin with thread-local storage that is larger than what is spare at start-up. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *plugin_alloc(size_t bytes);
void *plugin_free(size_t address);
void *plugin_tls(size_t bytes);
void *plugin_strdup(size_t length);

static __thread char buffer[20000];

void *plugin_alloc(size_t bytes)
{
    return malloc(bytes);
}

void *plugin_free(size_t address)
{
    free((void *)(uintptr_t)address);
    return NULL;
}

void *plugin_tls(size_t bytes)
{
    memset(buffer, 1, bytes);
    return buffer;
}

void *plugin_strdup(size_t length)
{
    char *text = malloc(length + 1);
    memset(text, 'a', length);
    text[length] = '\0';
    char *copy = strdup(text);
    free(text);
    return copy;
}
