/* outlook.c - see outlook.h. */
#include "allocators/pressure/outlook.h"

#include "allocators/base/check.h"
#include "allocators/heap.h"
#include "allocators/scavenge.h"

#define MS UINT64_C(1000000)

enum {
    LOOKS = 16,                    /* kept: more than a second of them */
    LEAST_BYTES = 4 * 1024 * 1024, /* of a heap whose course is taken down */
};
static const uint64_t LOOK_NS = 100 * MS, TICK_NS = 1000 * MS;

/* The scavenger's lock protects all of it. */
static struct {
    bool is_on;
    uint64_t due_ns; /* of the next look */
    uint64_t looks;  /* so far; look i is in slot i mod LOOKS */
    struct {
        uint64_t time_ns;
        uint64_t heap_bytes;
    } look[LOOKS];
    uint64_t limit; /* of the last reading; 0: there was none */
} outlook;
static struct forecast forecast; /* apart: small programs do not touch it */

static const double thresholds[FORECAST_THRESHOLDS] = {70, 80, 90, 95};

void outlook_init(bool is_on)
{
    outlook.is_on = is_on;
}

/* Bytes a second, since the youngest look that is a second old, or the oldest. */
static int64_t read_growth(void)
{
    uint64_t newest = outlook.looks - 1, from = newest;
    uint64_t now = outlook.look[newest % LOOKS].time_ns;
    while (from > 0 && newest - from < LOOKS - 1 &&
           now - outlook.look[from % LOOKS].time_ns < TICK_NS)
        from--;
    uint64_t passed = now - outlook.look[from % LOOKS].time_ns;
    double more = (double)outlook.look[newest % LOOKS].heap_bytes -
                  (double)outlook.look[from % LOOKS].heap_bytes;
    return passed > 0 ? (int64_t)(more * (double)TICK_NS / (double)passed) : 0;
}

void outlook_tick(uint64_t now_ns)
{
    if (!outlook.is_on || now_ns < outlook.due_ns)
        return;
    outlook.due_ns = now_ns + LOOK_NS;
    uint64_t bytes = heap_taken_bytes();
    if (outlook.looks == 0 && bytes < LEAST_BYTES)
        return;
    if (outlook.looks == 0)
        forecast_init(&forecast, FORECAST_DEFAULT, TICK_NS, thresholds);
    outlook.look[outlook.looks % LOOKS].time_ns = now_ns;
    outlook.look[outlook.looks++ % LOOKS].heap_bytes = bytes;
    forecast_add(&forecast, now_ns, bytes, outlook.limit);
}

bool outlook_read(uint64_t now_ns, uint64_t used, uint64_t limit, struct outlook *result)
{
    MP_ASSERT(limit > 0);
    scavenge_hold();
    outlook_tick(now_ns);
    bool is_there = outlook.looks > 0;
    if (is_there) {
        result->heap_bytes = outlook.look[(outlook.looks - 1) % LOOKS].heap_bytes;
        result->growth = read_growth();
        outlook.limit = limit;
        forecast_set_limit(&forecast, used, limit);
        is_there = forecast_read(&forecast, &result->reading);
    }
    scavenge_release();
    return is_there;
}

void outlook_fork_child(void)
{
    outlook.looks = 0;
    outlook.due_ns = 0;
    outlook.limit = 0;
}
