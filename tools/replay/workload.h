/* workload.h - allocations made up, for those who have no trace: what kinds of programs do with
 * their memory, at any number of objects, in up to eight threads. */
#ifndef MPRESS_TOOLS_REPLAY_WORKLOAD_H
#define MPRESS_TOOLS_REPLAY_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

struct trace_event;
struct trace_totals;

enum { WORKLOAD_THREADS_MOST = 8, WORKLOAD_FIRST_TID = 1000, WORKLOAD_KINDS = 6 };

struct workload {
    unsigned kind;
    unsigned threads;
    uint64_t objects; /* blocks that are alive when it is filled, about */
};

/* Of number `kind`; NULL behind the last. */
const char *workload_name(unsigned kind);
const char *workload_summary(unsigned kind);

/* Its number; WORKLOAD_KINDS: there is none of that name. */
unsigned workload_find(const char *name);

/* Its events in one order, as trace_visit yields those of a trace; the same in every visit. */
struct workload_visit;
struct workload_visit *workload_visit_create(const struct workload *workload);
bool workload_visit_next(struct workload_visit *visit, struct trace_event *event);
const struct trace_totals *workload_visit_totals(const struct workload_visit *visit);
double workload_visit_progress(const struct workload_visit *visit);
void workload_visit_destroy(struct workload_visit *visit);

#endif
