/* handed.h - which objects are handed: freed by another thread in the window of their birth. The
 * first visit finds out, the second asks, both in the order of births. The widest windows there are
 * count: finer ones hand no more. Only one window's objects are in memory; what is known of the
 * others is in a file. */
#ifndef MPRESS_TOOLS_REPLAY_HANDED_H
#define MPRESS_TOOLS_REPLAY_HANDED_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/replay/program.h"

struct handed {
    int fd;               /* a bit for each object that a window could bear, window by window */
    int error;            /* errno value of the first failure */
    uint64_t window;      /* the visit is in, + 1; 0: none yet */
    uint32_t *births;     /* first visit: threads that objects of this window were born in, */
    uint64_t first_birth; /* from this object on */
    bool is_any;          /* of this window's objects is handed; */
    bool is_any_ever;     /* of all */
    uint8_t bits[PROGRAM_WINDOW_EVENTS_MOST / 8];
};

/* 0 or an errno value. */
int handed_init(struct handed *handed);
void handed_fini(struct handed *handed);

/* First visit: the next window begins, with births from `first_birth` on; births; deaths. */
void handed_note_window(struct handed *handed, uint64_t first_birth);
void handed_note_birth(struct handed *handed, uint64_t object, uint32_t thread);
void handed_note_death(struct handed *handed, uint64_t object, uint32_t thread);

/* Behind it. 0 or an errno value. */
int handed_settle(struct handed *handed);

/* Second visit: the next window begins. */
void handed_recall_window(struct handed *handed, uint64_t first_birth);

/* Of an object that is born in this window. */
static inline bool handed_is(const struct handed *handed, uint64_t object)
{
    uint64_t index = object - handed->first_birth;
    return (handed->bits[index / 8] >> index % 8 & 1) != 0;
}

#endif
