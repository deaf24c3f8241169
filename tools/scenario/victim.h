/* victim.h - the processes under pressure, the first and all that it started: what they hold, what
 * they wait for. Read from outside, /proc only. */
#ifndef MPRESS_TOOLS_SCENARIO_VICTIM_H
#define MPRESS_TOOLS_SCENARIO_VICTIM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/scenario/procfile.h"
#include "tools/scenario/turns.h"

enum { VICTIM_PROCESSES = 256 };

/* Of what is resident, and what was; bytes. */
struct victim_parts {
    double anon, file, shmem, swap;
};

/* Sums over the tree, bytes; times in seconds since each process began. */
struct victim_state {
    uint64_t resident; /* of all: anonymous, of files, shared */
    uint64_t rss_anon, rss_file, rss_shmem, swap;
    uint64_t data; /* of the largest: writable private memory, which RLIMIT_DATA limits */
    uint64_t minor_faults, major_faults;
    double run_wait;  /* ready to run, but waiting for a processor: first threads */
    double processor; /* time used */
    unsigned processes;
};

struct victim {
    pid_t root;
    pid_t pid[VICTIM_PROCESSES];
    /* of each, as far as it was looked at: */
    uint64_t start[VICTIM_PROCESSES]; /* ticks since the system's start: with the id, who it is */
    uint64_t anon[VICTIM_PROCESSES];  /* bytes; what a fork shares counts in both */
    uint64_t data[VICTIM_PROCESSES];  /* as RLIMIT_DATA counts; 0: it has ended, or is new */
    uint64_t code[VICTIM_PROCESSES];  /* pages: another program has other ones, mostly */
    struct procfile statm[VICTIM_PROCESSES];
    size_t pids;
    unsigned finds; /* that there were */
    struct victim_state now;
    struct turns turns;
};

/* `victim` is zero, or was one before. */
void victim_begin(struct victim *victim, pid_t root);
void victim_end(struct victim *victim); /* nobody is left */

/* Who belongs to the tree, and what turns had all their threads? What was seen of each stays with
 * him, whose place may be another now. */
void victim_find(struct victim *victim);

/* The cheap part, a microsecond each: `resident`, `rss_anon` and `data`; of each, too, and `code`.
 */
void victim_glance(struct victim *victim);

/* All of `now`, and the same of each. */
void victim_look(struct victim *victim);

/* A file of /proc or of a control group as text; 0 bytes when there is none. */
size_t victim_read_file(const char *path, char *text, size_t capacity);

/* A process' stat from its third field on, behind the name, which may hold anything; NULL: it is
 * gone. */
const char *victim_read_stat(pid_t pid, char *text, size_t capacity);

/* Of a status file's text: bytes, as a line "\nName:   123 kB" tells; 0: there is none. */
uint64_t victim_find_kib(const char *text, const char *name);

/* Seconds that its first thread was ready to run and waited for a processor: all threads would be
 * dear. Also of one that has ended, as long as nobody has waited for it. */
double victim_read_wait(pid_t pid);

/* The system's memory pressure, or a group's: seconds in which some, or all, stood still. -1: the
 * system does not tell. */
struct victim_stall {
    double some, full;
};
struct victim_stall victim_read_stall(const char *path);
#define VICTIM_SYSTEM_PRESSURE "/proc/pressure/memory"

#endif
