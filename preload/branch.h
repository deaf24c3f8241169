/* branch.h - the contract with a tool that lets allocations fail in branches: copies of the process
 * that are made where the allocation is asked for, while the process itself goes on without a
 * failure.
 *
 * BRANCH_VARIABLE names a folder of the tool's with pipes in it. At the allocation whose number is
 * MPRESS_FAIL_NTH the process writes a question to `ask` and reads answers from `answer`, until one
 * says BRANCH_GO: on to the next number. Each BRANCH_FORK makes a branch, in which that allocation
 * fails; a second question says what came of it. The process has one thread then, and stands still
 * between question and answer: the tool can look at it from outside.
 *
 * A branch is a child of the tool. It opens its files anew as the answer says, so that it has
 * places in them of its own; is confined to what nobody outside can feel, if wanted; and goes on,
 * untraced. What cannot be done ends it with SIGSYS, as does all that it may not do. */
#ifndef MPRESS_BRANCH_H
#define MPRESS_BRANCH_H

#include <stdint.h>

#define BRANCH_VARIABLE "MPRESS_FAIL_TOOL"
#define BRANCH_ASK "/ask"
#define BRANCH_ANSWER "/answer"
#define BRANCH_OUT "/out." /* and the number of a place */

enum { BRANCH_FILES = 64, BRANCH_PLACES = 8 };

enum branch_event { BRANCH_AT, BRANCH_FORKED };

struct branch_question {
    uint32_t event;
    int32_t process;   /* who asks */
    uint64_t number;   /* of the allocation */
    uint64_t bytes;    /* that it is of */
    uint64_t ip;       /* where it returns to */
    int32_t has_timer; /* AT: one of setitimer runs */
    int32_t branch;    /* FORKED: its number, or -errno */
};

enum branch_order { BRANCH_GO, BRANCH_FORK };

/* What a descriptor is to be in the branch. */
enum branch_source {
    BRANCH_AGAIN, /* the same file, at a place of its own */
    BRANCH_OWN,   /* the branch's output */
    BRANCH_SAME,  /* as descriptor `other`, which stands before it */
};
struct branch_file {
    int32_t fd;
    uint8_t source;
    uint8_t closes_on_exec;
    uint16_t other;
    uint32_t flags; /* of open */
    uint32_t unused;
    uint64_t place;
};

struct branch_answer {
    uint32_t order;
    uint32_t place;        /* its output goes to BRANCH_OUT and this */
    uint64_t next;         /* GO: where to ask again; 0: nowhere */
    uint8_t is_persistent; /* all allocations behind it fail too */
    uint8_t is_confined;
    uint16_t files;
    uint32_t unused;
    struct branch_file file[BRANCH_FILES];
};

#endif
