/* backstop.h - RLIMIT_DATA behind a budget that libmpress.so keeps: for what escapes the library.
 *
 * A budget is of all processes together; RLIMIT_DATA is of each, and counts what is mapped, touched
 * or not. So a hundred times a second each process may map so much more than it has:
 *
 *     what the budget leaves  +  head-room
 *
 * of which the first is nothing, or less, once all of them together have used it up. What one takes
 * of it the others have lost the next time. So whatever is mapped and then touched stays within the
 * budget and the head-room of those who took it; what is mapped bit by bit and touched much later
 * does not. The head-room is more than the library and libc take at once of what does not count (a
 * step of the heap's frontier; stacks, of as many threads as any process had so far, less those it
 * has), so that the budget refuses first.
 *
 * The program begins with such a limit, and its children with that of their parents. */
#ifndef MPRESS_TOOLS_SCENARIO_BACKSTOP_H
#define MPRESS_TOOLS_SCENARIO_BACKSTOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/scenario/victim.h"

enum { BACKSTOP_NAME_BYTES = 16, BACKSTOP_PROGRAMS = 16 };

/* A process of the tree, from one time to the next. */
struct backstop_process {
    pid_t pid;
    uint64_t program; /* which file it executes; 0: nobody may know */
    uint64_t code;    /* pages of it, as that was looked up, */
    unsigned finds;   /* and when: victim.h */
    bool is_outside;  /* the library cannot be in it: static, other rights, another libc */
    bool is_beyond;   /* its limit cannot be moved */
    uint32_t threads; /* besides the first, as the library in it tells */
    bool is_limited;  /* by us, or by what it was born with, as far as anybody knows */
};

/* A file that was looked into: the programs of an experiment are started again and again. */
struct backstop_program {
    uint64_t program; /* 0: none */
    bool is_outside;
};

struct backstop {
    struct backstop_process process[VICTIM_PROCESSES]; /* in the victim's order */
    size_t processes;
    struct backstop_program known[BACKSTOP_PROGRAMS]; /* the oldest makes room */
    size_t looked_into;                               /* files, so far */
    uint32_t threads;                                 /* the most that any process had so far */
    uint64_t head_room;                               /* bytes; the most so far */
    unsigned outside;                                 /* processes that were, so far */
    unsigned unreached; /* whose limit cannot be moved: they keep what they began with */
    char name[BACKSTOP_NAME_BYTES]; /* of one outside; "" */
};

/* What it may have at most, of this budget: told in the report, also of what ends at once. */
void backstop_note_room(struct backstop *backstop, uint64_t budget);

/* In a child before it executes the program: the same, from the beginning. */
void backstop_prepare(const struct backstop *backstop, uint64_t budget);

/* Who is there, and who is outside. */
void backstop_find(struct backstop *backstop, const struct victim *victim);

/* The budget of the tree, and what of it is used; budget 0: the limits are what they were. */
void backstop_set(struct backstop *backstop, const struct victim *victim, uint64_t budget,
                  uint64_t used);

/* Of a process that may start so many threads. */
uint64_t backstop_head_room(uint64_t budget, bool is_outside, uint32_t threads);
/* What a process may have that has mapped `data` bytes. */
uint64_t backstop_limit(uint64_t data, uint64_t budget, uint64_t used, uint64_t head_room);

#endif
