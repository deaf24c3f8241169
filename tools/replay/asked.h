/* asked.h - which of its works `mpress replay` is asked for. */
#ifndef MPRESS_TOOLS_REPLAY_ASKED_H
#define MPRESS_TOOLS_REPLAY_ASKED_H

enum asked {
    ASKED_REPLAY,   /* of a trace or a workload, under several allocators */
    ASKED_SWEEP,    /* --fail-nth: a program whose allocations fail */
    ASKED_SCENARIO, /* --scenario, -f, --list: a program under pressure */
    ASKED_UNDER,    /* --under: the replay of a trace under pressure */
};

/* The first option that says so decides: behind it a program may stand that has such options too.
 */
enum asked asked_find(int argc, char **argv);

#endif
