/* traced_heap.h - what a trace says of the heap itself. */
#ifndef MPRESS_TRACED_HEAP_H
#define MPRESS_TRACED_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include "tracer/format.h"

/* The heap's part of a sample; the terms are the same. False: inside the heap. */
bool traced_heap_sample(struct trace_sample *sample);

/* What it makes of sizes (tracer/format_heap.h): bytes at *description, which stay; 0: mimalloc
 * is the heap. After route_init; one caller at a time. */
size_t traced_heap_describe(const unsigned char **description);

#endif
