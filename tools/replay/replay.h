/* replay.h - `mpress replay T` and mpress-replay: runs a trace's allocations again, under one
 * allocator after another. */
#ifndef MPRESS_TOOLS_REPLAY_REPLAY_H
#define MPRESS_TOOLS_REPLAY_REPLAY_H

/* The whole command; argv[0] is its name for messages. The result is the exit status: 0, 1 (the
 * trace, an allocator or a run failed) or 2 (bad usage). */
int replay_main(int argc, char **argv);

#endif
