/* rounds.c - two magazines per thread and class, as allocators/cache.c moves them: an empty loaded
 * one is exchanged for the full previous one, or filled after it has grown; a full one grows, or is
 * exchanged, or leaves. What the depot and other threads have does not matter here: the door is the
 * same. */
#include "tools/tune/rounds.h"

#include <stdlib.h>

#include "tools/trace/memory.h"
#include "tools/tune/demand.h"

enum { ROUNDS_LEAST = 8, BYTES_MOST = 64 * 1024 };

struct pair {
    uint16_t room;   /* of the loaded one; 0: none yet */
    uint16_t loaded; /* rounds in it */
    bool is_full;    /* the previous one; else it is empty */
};

/* Of one thread: by rung and choice. */
struct hand {
    struct pair pair[LADDER_MOST][DEMAND_CHOICES];
};

struct rounds {
    const struct ladder *ladder;
    struct traffic *traffic;
    struct hand **hand; /* by thread; NULL: it has none */
    size_t hands;
};

struct rounds *rounds_create(const struct ladder *ladder, struct traffic *traffic)
{
    struct rounds *rounds = memory_alloc(1, sizeof *rounds);
    rounds->ladder = ladder;
    rounds->traffic = traffic;
    return rounds;
}

void rounds_destroy(struct rounds *rounds)
{
    for (size_t i = 0; i < rounds->hands; i++)
        free(rounds->hand[i]);
    free(rounds->hand);
    free(rounds);
}

void rounds_forget(struct rounds *rounds, uint32_t thread)
{
    if (thread >= rounds->hands)
        return;
    free(rounds->hand[thread]);
    rounds->hand[thread] = NULL;
}

static struct hand *find_hand(struct rounds *rounds, uint32_t thread)
{
    if (thread >= rounds->hands) {
        size_t hands = (size_t)thread + 64;
        struct hand **grown = memory_alloc(hands, sizeof(struct hand *));
        for (size_t i = 0; i < rounds->hands; i++)
            grown[i] = rounds->hand[i];
        free(rounds->hand);
        rounds->hand = grown;
        rounds->hands = hands;
    }
    if (rounds->hand[thread] == NULL)
        rounds->hand[thread] = memory_alloc(1, sizeof(struct hand));
    return rounds->hand[thread];
}

bool rounds_may_begin(const struct rung *rung, unsigned choice)
{
    return choice == 0 || (uint64_t)ROUNDS_LEAST * rung->bytes << choice <= BYTES_MOST;
}

/* The most rounds a magazine may grow to. */
static uint16_t most_of(const struct rung *rung, unsigned choice)
{
    uint32_t first = (uint32_t)ROUNDS_LEAST << choice;
    return (uint16_t)(first > rung->most_rounds && choice > 0 ? first : rung->most_rounds);
}

static void grow(struct pair *pair, const struct rung *rung, unsigned choice)
{
    unsigned most = most_of(rung, choice);
    unsigned room = pair->room == 0 ? (unsigned)ROUNDS_LEAST << choice : 2U * pair->room;
    pair->room = (uint16_t)(room < most ? room : most);
}

/* True: the call comes to the door. */
static bool take(struct pair *pair, const struct rung *rung, unsigned choice)
{
    bool at_door = pair->loaded == 0;
    if (at_door && !pair->is_full)
        grow(pair, rung, choice);
    if (at_door)
        pair->loaded = pair->room;
    if (at_door)
        pair->is_full = false;
    pair->loaded--;
    return at_door;
}

static bool give(struct pair *pair, const struct rung *rung, unsigned choice)
{
    bool at_door = pair->loaded == pair->room;
    if (at_door && pair->room < most_of(rung, choice)) {
        grow(pair, rung, choice);
    } else if (at_door) {
        pair->is_full = true; /* an earlier full one left */
        pair->loaded = 0;
    }
    pair->loaded++;
    return at_door;
}

void rounds_take(struct rounds *rounds, uint32_t thread, size_t rung)
{
    struct pair *pairs = find_hand(rounds, thread)->pair[rung];
    struct traffic *traffic = &rounds->traffic[rung];
    traffic->calls++;
    for (unsigned choice = 0; choice < DEMAND_CHOICES; choice++)
        traffic->doors[choice] += take(&pairs[choice], &rounds->ladder->rung[rung], choice);
}

void rounds_give(struct rounds *rounds, uint32_t thread, size_t rung)
{
    struct pair *pairs = find_hand(rounds, thread)->pair[rung];
    struct traffic *traffic = &rounds->traffic[rung];
    traffic->calls++;
    for (unsigned choice = 0; choice < DEMAND_CHOICES; choice++)
        traffic->doors[choice] += give(&pairs[choice], &rounds->ladder->rung[rung], choice);
}
