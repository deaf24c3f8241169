/* family.h - the traces of one recording: a program's own and those of the processes it started. */
#ifndef MPRESS_TOOLS_FAMILY_H
#define MPRESS_TOOLS_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct family_member {
    char *path;
    char *command;   /* the program's name and arguments, as far as the trace says */
    uint64_t bytes;  /* of the file */
    uint64_t blocks; /* of the trace, packed or not */
    uint64_t pid;
    uint64_t start_ns; /* CLOCK_MONOTONIC */
    uint64_t end_ns;   /* 0: the trace does not say */
    bool is_alive;     /* the process still runs and may write */
    bool is_forked;
    uint64_t parent_pid;
    uint64_t parent_trace_ns;   /* start_ns of the trace it was forked out of; 0: not known */
    uint64_t previous_trace_ns; /* of the same process's trace before; 0: none */
};

struct family {
    uint64_t since_ns;
    size_t members; /* most blocks first; family_init_folder has an order of its own */
    struct family_member *member;
};

/* Calls back with `trace`, and the names that its children's traces have (".PID" or ".PID.N" before
 * its ".mpt"). */
typedef void family_visitor(const char *path, void *context);
void family_visit(const char *trace, family_visitor *visitor, void *context);

/* Finds `trace` and its children's traces (".PID" or ".PID.N" before its ".mpt"), leaving out
 * older files: those begun before `since_ns` of CLOCK_MONOTONIC. */
void family_init(struct family *family, const char *trace, uint64_t since_ns);

/* All traces of a folder, in the order in which they began. */
void family_init_folder(struct family *family, const char *folder);
void family_fini(struct family *family);

/* The one worth a summary: what process `pid` became last (a start script becomes the real program
 * by exec), unless another trace is much bigger (a shell that only waits for the real program). */
size_t family_find_main(const struct family *family, uint64_t pid);

/* How a member came to be. */
enum family_link {
    FAMILY_FIRST,   /* nobody in the family started it */
    FAMILY_BECAME,  /* the same process, by exec, or traced once more */
    FAMILY_FORKED,  /* a copy of its parent */
    FAMILY_STARTED, /* a program that its parent ran */
};

/* From whom, and how; *from is not set for the first kind. A member is never older than from whom
 * it came. */
enum family_link family_find_origin(const struct family *family, size_t member, size_t *from);

/* A line for each; `marked` is the member with the summary. */
void family_print(const struct family *family, size_t marked, FILE *out);

/* Bytes written so far into a trace that is being written; 0: not known. */
uint64_t family_read_written_bytes(const char *trace);

#endif
