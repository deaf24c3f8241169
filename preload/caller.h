/* caller.h - where the program stood when it called a function of ours. */
#ifndef MPRESS_CALLER_H
#define MPRESS_CALLER_H

#include <stdint.h>

#include "tracer/tracer.h"

/* In a function whose frame lies right below the program's, and which keeps a frame pointer. */
#define CALLER_HERE caller_of(__builtin_frame_address(0))

static inline struct tracer_caller caller_of(const void *frame)
{
    const uintptr_t *words = frame;
    return (struct tracer_caller){.ip = words[1], .sp = (uintptr_t)(words + 2), .bp = words[0]};
}

#endif
