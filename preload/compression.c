/* compression.c - see compression.h. */
#include "preload/compression.h"

#include <string.h>

#include "allocators/base/os_fault.h"
#include "allocators/base/say.h"
#include "allocators/cold/cold.h"
#include "preload/actions.h"
#include "preload/budget_slot.h"

/* For more to be saved; and when that was in vain, until it is tried again. */
static const uint64_t PATIENCE_NS = UINT64_C(2000000000), PAUSE_NS = UINT64_C(10000000000);

/* Whoever looks at the limits. */
static struct {
    bool is_lacking; /* room, at the last look */
    uint64_t saved;  /* when it was last seen to grow, or less since */
    uint64_t changed_ns, due_ns;
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
    if (room >= 0)
        need.saved = cold_saved_bytes();
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

/* More than before, be it that a part came back in between. */
static bool saves_more(const struct watch_limit *kept)
{
    uint64_t saved = cold_saved_bytes();
    bool is_more = saved > need.saved + kept->limit.hard / 256;
    if (is_more || saved < need.saved)
        need.saved = saved;
    return is_more;
}

bool compression_helps(const struct watch_limit *kept, uint64_t now_ns, bool is_first)
{
    if (!need.is_lacking || !cold_makes_room())
        return false;
    if (saves_more(kept) || (is_first && now_ns >= need.due_ns))
        need.changed_ns = now_ns;
    if (now_ns < need.changed_ns + PATIENCE_NS)
        return true;
    if (!is_first)
        need.due_ns = now_ns + PAUSE_NS;
    return false;
}

void compression_fork_child(void)
{
    memset(&need, 0, sizeof need);
}
