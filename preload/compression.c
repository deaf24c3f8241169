/* compression.c - see compression.h. */
#include "preload/compression.h"

#include "allocators/base/os_fault.h"
#include "allocators/base/say.h"
#include "allocators/cold/cold.h"

void compression_init(const struct conf *conf)
{
    const char *why = "the heap is mimalloc's";
    if (conf->compression == CONF_COMPRESSION_OWN)
        os_fault_trust();
    if (conf->heap != CONF_HEAP_MIMALLOC)
        why = cold_init(conf->compression == CONF_COMPRESSION_ALWAYS);
    if (why != NULL)
        say("MPRESS_COMPRESSION: refused: %s", why);
}
