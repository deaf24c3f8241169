/* signals.c - see signals.h. Deliveries are counted twice, by the handlers and by who serves them:
 * what lies between the two counts is pending. */
#include "preload/signals.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "preload/door.h"

static struct {
    _Atomic uint32_t switches, marks;               /* deliveries; the handlers' */
    _Atomic uint32_t switches_served, marks_served; /* one thread at a time (control.c) */
} signals;

static void count(_Atomic uint32_t *deliveries)
{
    /* seq_cst: before the gate is shut; pairs with the fence in door.c */
    atomic_fetch_add_explicit(deliveries, 1, memory_order_seq_cst);
    door_shut();
}

static void on_switch(int number)
{
    (void)number;
    count(&signals.switches);
}

static void on_mark(int number)
{
    (void)number;
    count(&signals.marks);
}

static void install(const char *variable, const char *name, void (*handler)(int))
{
    if (strcmp(name, "none") == 0)
        return;
    int number = os_signal_of(name);
    int error = number == 0 ? ENOENT : os_signal_catch(number, handler);
    if (error == ENOENT)
        say("%s=%s: there is no such signal; ignored", variable, name);
    else if (error == EBUSY)
        say("%s=%s: this signal has a handler or is ignored already; it stays as it is", variable,
            name);
    else if (error != 0)
        say("%s=%s: no signal for this: it cannot be caught, tells of a fault or is libc's; "
            "ignored",
            variable, name);
}

void signals_init(const struct conf *conf)
{
    install("MPRESS_TRACE_SIGNAL", conf->trace_signal, on_switch);
    install("MPRESS_MARK_SIGNAL", conf->mark_signal, on_mark);
}

static uint32_t pending(_Atomic uint32_t *deliveries, _Atomic uint32_t *served)
{
    return atomic_load_explicit(deliveries, memory_order_seq_cst) -
           atomic_load_explicit(served, memory_order_relaxed);
}

bool signals_are_pending(void)
{
    return pending(&signals.switches, &signals.switches_served) != 0 ||
           pending(&signals.marks, &signals.marks_served) != 0;
}

bool signals_is_to_switch(void)
{
    uint32_t even = pending(&signals.switches, &signals.switches_served) & ~UINT32_C(1);
    atomic_fetch_add_explicit(&signals.switches_served, even, memory_order_relaxed);
    return pending(&signals.switches, &signals.switches_served) != 0;
}

void signals_note_switched(void)
{
    atomic_fetch_add_explicit(&signals.switches_served, 1, memory_order_relaxed);
}

uint32_t signals_take_mark(void)
{
    if (pending(&signals.marks, &signals.marks_served) == 0)
        return 0;
    return atomic_fetch_add_explicit(&signals.marks_served, 1, memory_order_relaxed) + 1;
}

static void forget(_Atomic uint32_t *deliveries, _Atomic uint32_t *served)
{
    atomic_store_explicit(served, atomic_load_explicit(deliveries, memory_order_relaxed),
                          memory_order_relaxed);
}

void signals_fork_child(void)
{
    forget(&signals.switches, &signals.switches_served);
    forget(&signals.marks, &signals.marks_served);
}
