/* rounds.h - a model of the threads' magazines: how often a call would find them empty or full, for
 * each number of rounds that a thread could begin with. */
#ifndef MPRESS_TOOLS_TUNE_ROUNDS_H
#define MPRESS_TOOLS_TUNE_ROUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/tune/ladder.h"

struct rounds;
struct traffic;

/* Counts into `traffic`, by rung. */
struct rounds *rounds_create(const struct ladder *ladder, struct traffic *traffic);
void rounds_destroy(struct rounds *rounds);

/* A thread allocates or frees an object of a class; it ends. */
void rounds_take(struct rounds *rounds, uint32_t thread, size_t rung);
void rounds_give(struct rounds *rounds, uint32_t thread, size_t rung);
void rounds_forget(struct rounds *rounds, uint32_t thread);

/* Whether a class may begin with 8 << choice rounds: both magazines hold at most 128 KiB then. */
bool rounds_may_begin(const struct rung *rung, unsigned choice);

#endif
