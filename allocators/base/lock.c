/* lock.c - waiting for a lock (three-state futex lock: Drepper, "Futexes Are Tricky", 2011). */
#include "allocators/base/lock.h"

#include "allocators/base/os.h"

/* Critical sections here last 20-500 ns; a sleep and wake costs some 5 us. */
enum { LOCK_SPINS = 200 };

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("" ::: "memory");
#endif
}

void lock_wait(struct lock *lock)
{
    for (int spin = 0; spin < LOCK_SPINS; spin++) {
        uint32_t expected = 0;
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak_explicit(&lock->word, &expected, 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return;
        pause_briefly();
    }
    while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
        os_wait(&lock->word, 2);
}

void lock_wake(struct lock *lock)
{
    os_wake(&lock->word, 1);
}

/* Bit r: this thread holds a lock of rank r. Only kept when MP_DEBUG is on. */
static _Thread_local uint32_t held_ranks __attribute__((tls_model("initial-exec")));

void lock_note_taken(const struct lock *lock)
{
    MP_ASSERT(held_ranks >> lock->rank == 0); /* ranks rise; none is taken twice */
    held_ranks |= UINT32_C(1) << lock->rank;
}

void lock_note_dropped(const struct lock *lock)
{
    MP_ASSERT((held_ranks >> lock->rank & 1) != 0);
    held_ranks &= ~(UINT32_C(1) << lock->rank);
}

void lock_forget_all(void)
{
    held_ranks = 0;
}
