/* control.c - see control.h and control_serve.h.
 *
 * To stop a trace, to mark it, to copy it and to look for lost blocks take nothing but system
 * calls, so any thread does it on its way into the slow door. To start one loads libunwind and asks
 * the loader for its list, which must not be done by a thread that may be in the loader or hold a
 * lock of libc: so that waits for a call from elsewhere. And the loader's lock may be held by a
 * thread that waits for this one: where there are several, a new one does it, which nobody waits
 * for. */
#include "preload/control.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "preload/api.h"
#include "preload/control_serve.h"
#include "preload/door.h"
#include "preload/init.h"
#include "preload/leaks.h"
#include "preload/mpress.h"
#include "preload/signals.h"
#include "preload/strategies.h"
#include "preload/summary.h"
#include "preload/txn.h"
#include "preload/watch.h"
#include "tracer/tracer.h"

static struct control_block block = {
    .magic = CONTROL_MAGIC,
    .layout = CONTROL_LAYOUT,
    .bytes = sizeof(block),
    .version = MPRESS_VERSION,
};

static struct {
    _Atomic bool is_serving; /* a thread is at it, or another one for it */
    /* What is being started; whose is_serving it is. */
    bool by_signal;
    enum conf_trace mode;
    char file[CONTROL_TEXT_BYTES]; /* "": the option's */
} server;

/* As the option's row and the contract number them. */
static const enum conf_trace modes[] = {CONF_TRACE_SAMPLE, CONF_TRACE_EVENTS, CONF_TRACE_FULL,
                                        CONF_TRACE_FLIGHT};
enum { MODES = sizeof(modes) / sizeof(modes[0]) };

enum progress { DONE, LATER, HANDED_ON };

void control_init(void)
{
    door_tell_shut(block.shut);
    __atomic_store_n(&block.self, (uint64_t)(uintptr_t)&block, __ATOMIC_RELEASE);
}

static uint8_t word(const uint8_t *at)
{
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static void set_word(uint8_t *at, uint8_t value)
{
    __atomic_store_n(at, value, __ATOMIC_SEQ_CST);
}

static bool is_asked_by_tool(void)
{
    uint8_t asked = word(&block.asked);
    return asked != word(&block.answered) && asked != word(&block.cancelled);
}

bool control_is_asked(void)
{
    return is_asked_by_tool() || signals_are_pending();
}

static void answer(int error)
{
    struct text path = TEXT_IN(block.path);
    text_add(&path, "%s", tracer_path());
    block.error = error;
    set_word(&block.answered, word(&block.serving));
}

/* -- starting --------------------------------------------------------------------------------- */

static void start(void)
{
    int error = init_start_trace(server.file[0] != '\0' ? server.file : NULL, server.mode);
    if (server.by_signal)
        signals_note_switched();
    else
        answer(error);
}

static void end_serving(void)
{
    init_settle();
    atomic_store_explicit(&server.is_serving, false, memory_order_release);
}

static void start_apart(void)
{
    start();
    end_serving();
}

static enum progress start_here_or_apart(void)
{
    bool is_alone = *os_single_thread_mark() != 0;
    if (!is_alone && os_thread_start_known(start_apart) == 0)
        return HANDED_ON;
    if (is_alone)
        start();
    else if (server.by_signal)
        signals_note_switched();
    else
        answer(EAGAIN);
    return DONE;
}

/* -- signals ---------------------------------------------------------------------------------- */

static void put_marks(void)
{
    uint32_t number;
    while ((number = signals_take_mark()) != 0) {
        char buffer[32];
        struct text label = TEXT_IN(buffer);
        text_add(&label, "signal %u", number);
        if (tracer_is_on())
            tracer_mark(buffer);
    }
}

static enum progress switch_by_signal(uintptr_t caller)
{
    if (tracer_is_on()) {
        (void)init_stop_trace();
        signals_note_switched();
        return DONE;
    }
    if (os_is_in_loader(caller))
        return LATER;
    server.by_signal = true;
    server.mode = modes[init_conf()->trace_mode];
    server.file[0] = '\0';
    return start_here_or_apart();
}

static enum progress serve_signals(uintptr_t caller)
{
    enum progress progress = DONE;
    if (tracer_is_on())
        put_marks(); /* they came before it ends */
    if (signals_is_to_switch())
        progress = switch_by_signal(caller);
    if (progress == DONE)
        put_marks();
    return progress;
}

/* -- a tool ----------------------------------------------------------------------------------- */

/* Takes the request over; false: it was cancelled meanwhile. */
static bool take(char text[CONTROL_TEXT_BYTES])
{
    uint8_t serial = word(&block.asked);
    set_word(&block.serving, serial);
    memcpy(text, block.text, CONTROL_TEXT_BYTES);
    text[CONTROL_TEXT_BYTES - 1] = '\0';
    if (word(&block.asked) == serial && word(&block.cancelled) != serial)
        return true;
    set_word(&block.serving, word(&block.answered));
    return false;
}

static enum progress serve_start(const char file[CONTROL_TEXT_BYTES])
{
    if (block.mode >= MODES) {
        answer(EINVAL);
        return DONE;
    }
    server.by_signal = false;
    server.mode = modes[block.mode];
    memcpy(server.file, file, CONTROL_TEXT_BYTES);
    return start_here_or_apart();
}

static int mark(const char *label, bool looks)
{
    struct mpress_leaks leaks;
    if (!tracer_is_on())
        return ENOENT;
    int error = looks ? leaks_look(&leaks, NULL) : 0;
    tracer_mark(label);
    return error;
}

/* Where a reply is put. The pages stay, for the next one who asks. */
static void *make_reply(void **pages, size_t bytes)
{
    if (*pages == NULL)
        *pages = os_map(round_up(bytes, os_page_bytes()));
    block.reply = (uint64_t)(uintptr_t)*pages;
    return *pages;
}

static int read_leaks(void)
{
    static void *pages;
    struct control_leaks *leaks = make_reply(&pages, sizeof(*leaks));
    if (leaks == NULL)
        return ENOMEM;
    leaks->is_traced = tracer_is_on();
    return leaks_look(&leaks->sum, &leaks->sizes);
}

static int read_stats(void)
{
    static void *pages;
    struct control_stats *stats = make_reply(&pages, sizeof(*stats));
    if (stats == NULL)
        return ENOMEM;
    summary_read(&stats->heap);
    stats->has_signals = watch_read_signals(&stats->signals) == 0;
    stats->threads = stats->classes = stats->actions = stats->strategies = 0;
    while (stats->strategies < CONTROL_STRATEGIES &&
           strategies_read(stats->strategies, &stats->strategy[stats->strategies]))
        stats->strategies++;
    while (stats->threads < CONTROL_THREADS &&
           summary_read_thread(stats->threads, &stats->thread[stats->threads]))
        stats->threads++;
    while (stats->classes < CONTROL_CLASSES &&
           api_read_class(stats->classes, &stats->size_class[stats->classes]))
        stats->classes++;
    while (stats->actions < CONTROL_ACTIONS &&
           api_read_action(stats->actions, &stats->action[stats->actions]))
        stats->actions++;
    txn_tell(&stats->txns);
    return 0;
}

static enum progress serve_tool(uintptr_t caller)
{
    char text[CONTROL_TEXT_BYTES];
    if (!is_asked_by_tool())
        return DONE;
    if (block.operation == CONTROL_START && os_is_in_loader(caller))
        return LATER;
    if (!take(text))
        return DONE;
    switch (block.operation) {
    case CONTROL_START:
        return serve_start(text);
    case CONTROL_STOP:
        answer(init_stop_trace());
        break;
    case CONTROL_MARK:
        answer(mark(text, block.mode == 1));
        break;
    case CONTROL_DUMP:
        answer(text[0] != '\0' ? tracer_dump(text) : EINVAL);
        break;
    case CONTROL_STATS:
        answer(read_stats());
        break;
    case CONTROL_LEAKS:
        answer(read_leaks());
        break;
    default:
        answer(ENOSYS);
    }
    return DONE;
}

/* -- both ------------------------------------------------------------------------------------- */

void control_serve(uintptr_t caller)
{
    if (caller == 0 || tracer_is_inside() ||
        atomic_exchange_explicit(&server.is_serving, true, memory_order_acquire))
        return;
    enum progress progress = serve_signals(caller);
    if (progress == DONE)
        progress = serve_tool(caller);
    if (progress == DONE)
        end_serving();
    else if (progress == LATER)
        atomic_store_explicit(&server.is_serving, false, memory_order_release);
}

void control_fork_child(void)
{
    atomic_store_explicit(&server.is_serving, false, memory_order_relaxed);
    set_word(&block.asked, word(&block.answered));
    set_word(&block.serving, word(&block.answered));
    signals_fork_child();
}
