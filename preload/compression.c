/* compression.c - see compression.h. */
#include "preload/compression.h"

#include <string.h>

#include "allocators/base/os_fault.h"
#include "allocators/base/say.h"
#include "allocators/cold/cold.h"
#include "preload/actions.h"
#include "preload/budget_slot.h"

#define SECOND_NS UINT64_C(1000000000)

/* That a request waits in all, and for more to be saved; and when that was in vain, until the next
 * one waits. */
static const uint64_t LONGEST_NS = SECOND_NS, PATIENCE_NS = SECOND_NS / 2, PAUSE_NS = SECOND_NS,
                      LONGEST_PAUSE_NS = 16 * SECOND_NS;

/* Whoever looks at the limits. */
static struct {
    bool is_lacking;   /* room, at the last look */
    uint64_t due_ns;   /* nobody waits before, */
    uint64_t pause_ns; /* as waiting was in vain; 0: it was not */
} need;

void compression_init(const struct conf *conf)
{
    const char *why = "the heap is mimalloc's";
    if (conf->compression == CONF_COMPRESSION_OWN)
        os_fault_trust();
    if (conf->heap != CONF_HEAP_MIMALLOC)
        why = cold_init(conf->compression == CONF_COMPRESSION_ALWAYS);
    if (why != NULL)
        say("MPRESS_COMPRESSION: refused: %s", why);
}

/* Room for so much, if there can be; a tool that swaps (respond_swap) measures what packing by age
 * comes to. */
static int64_t room_within(const struct watch_limit *kept, uint64_t coming)
{
    uint64_t hard = kept->limit.hard;
    bool may = actions_may(ACTION_PACK) && budget_allows(BUDGET_COMPRESSION) && !budget_swaps();
    if (hard == 0 || !may || coming > hard)
        return COLD_ROOM_ANY;
    return (int64_t)(hard - hard / 20 - kept->used - coming);
}

/* What is packed beyond three quarters of the limit counts twice: so a fifth is left for what is in
 * use, and growth is refused before the program does nothing but wait for what it touches. */
uint64_t compression_counted_twice(const struct watch_limit *kept)
{
    struct cold_stats now;
    uint64_t most = kept->limit.hard / 4 * 3;
    if (!cold_is_on() || kept->limit.hard == 0)
        return 0;
    cold_read_stats(&now);
    return now.packed_bytes > most ? now.packed_bytes - most : 0;
}

void compression_follow(const struct watch_limit *kept, uint64_t coming)
{
    if (!cold_is_on())
        return;
    int64_t room = room_within(kept, coming);
    need.is_lacking = room < 0;
    cold_set_room(room, (int64_t)(kept->limit.hard / 40));
}

bool compression_is_followed(void)
{
    return cold_lacks_room();
}

void compression_correct(const struct watch_limit *kept)
{
    cold_correct_room(room_within(kept, 0));
}

/* Saved is more than before, be it that a part came back in between. */
static bool gets_on(const struct watch_limit *kept, uint64_t now_ns, struct compression_wait *wait)
{
    uint64_t saved = cold_saved_bytes();
    bool is_more = saved > wait->least + kept->limit.hard / 256;
    if (is_more)
        wait->changed_ns = now_ns;
    if (is_more || saved < wait->least)
        wait->least = saved;
    return now_ns - wait->changed_ns < PATIENCE_NS;
}

static void begin(uint64_t now_ns, struct compression_wait *wait)
{
    uint64_t saved = cold_saved_bytes();
    *wait = (struct compression_wait){now_ns, saved, saved, now_ns};
    if (now_ns > need.due_ns + LONGEST_PAUSE_NS)
        need.pause_ns = 0; /* that was another time */
}

/* Once for all that waited at the same time. */
static void give_up(const struct watch_limit *kept, uint64_t now_ns,
                    const struct compression_wait *wait)
{
    if (now_ns < need.due_ns)
        return;
    if (cold_saved_bytes() >= wait->saved + kept->limit.hard / 64)
        need.pause_ns = 0;
    else if (need.pause_ns == 0)
        need.pause_ns = PAUSE_NS;
    else if (need.pause_ns < LONGEST_PAUSE_NS)
        need.pause_ns *= 2;
    need.due_ns = now_ns + need.pause_ns;
}

bool compression_helps(const struct watch_limit *kept, uint64_t now_ns,
                       struct compression_wait *wait)
{
    bool waits = wait->begun_ns != 0;
    if (!need.is_lacking || !cold_makes_room() || (!waits && now_ns < need.due_ns))
        return false;
    if (!waits)
        begin(now_ns, wait);
    if (now_ns - wait->begun_ns < LONGEST_NS && gets_on(kept, now_ns, wait))
        return true;
    give_up(kept, now_ns, wait);
    return false;
}

void compression_fork_child(void)
{
    memset(&need, 0, sizeof need);
}
