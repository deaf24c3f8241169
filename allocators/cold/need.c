/* need.c - see need.h. */
#include "allocators/cold/need.h"

#define SECOND_NS UINT64_C(1000000000)

/* For more to be gained; then the shortest and the longest rest; and what is a need of its own. */
static const uint64_t GAIN_NS = SECOND_NS / 2, REST_NS = 10 * SECOND_NS,
                      LONGEST_REST_NS = 600 * SECOND_NS, APART_NS = SECOND_NS;

bool need_is_anew(struct need *need, uint64_t now_ns)
{
    bool is_over = now_ns >= need->again_ns;
    if (is_over)
        need->again_ns = UINT64_MAX;
    return is_over;
}

static void note(struct need *need, uint64_t now_ns, uint64_t gained, uint64_t done)
{
    need->most = gained;
    need->changed_ns = now_ns;
    need->done = done;
}

static uint64_t next_rest(uint64_t before_ns)
{
    if (before_ns == 0)
        return REST_NS;
    return 2 * before_ns < LONGEST_REST_NS ? 2 * before_ns : LONGEST_REST_NS;
}

/* What is in vain while it rests is of the same need: that makes the rest no longer. */
static void begin_rest(struct need *need, uint64_t now_ns)
{
    if (need->again_ns != UINT64_MAX)
        return;
    need->rest_ns = next_rest(need->rest_ns);
    need->again_ns = now_ns + need->rest_ns;
}

enum need_verdict need_follow(struct need *need, uint64_t now_ns, uint64_t gained, uint64_t done,
                              uint64_t step)
{
    enum need_verdict verdict = NEED_GO_ON;
    bool is_gain = gained > need->most + step;
    if (now_ns - need->tried_ns > APART_NS) {
        note(need, now_ns, gained, done);
    } else if (is_gain) {
        need->rest_ns = 0;
        note(need, now_ns, gained, done);
    } else if (now_ns - need->changed_ns > GAIN_NS) {
        verdict = done == need->done ? NEED_GIVE_UP : NEED_EASE;
        begin_rest(need, now_ns);
        note(need, now_ns, gained, done);
    }
    need->tried_ns = now_ns;
    return verdict;
}
