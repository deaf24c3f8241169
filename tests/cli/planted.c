/* planted.c - `planted CASE`: leaks of the kinds that Valgrind and LeakSanitizer document, each
 * with sizes that tell it. Nothing but this file allocates.
 *
 *     planted CASE wait   says its process id when it is done, and allocates now and then until its
 *                         standard input ends */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All that matters is volatile: what is never read again would not be written otherwise. */
struct node {
    struct node *volatile next;
    char rest[];
};

static struct node *volatile global;
static char *volatile into_block;
static _Thread_local struct node *volatile of_thread;
static volatile uintptr_t disguised;

static __attribute__((noinline)) struct node *make(size_t bytes)
{
    struct node *node = calloc(1, bytes);
    if (node == NULL)
        abort();
    return node;
}

/* Overwrites what calls left on the stack. */
static __attribute__((noinline)) void wipe(void)
{
    char old[16 * 1024];
    memset(old, 0, sizeof old);
    __asm__ volatile("" : : "r"(old) : "memory");
}

/* -- the kinds -------------------------------------------------------------------------------- */

static __attribute__((noinline)) void plant_direct(void)
{
    make(1000);
}

static __attribute__((noinline)) void plant_indirect(void)
{
    struct node *head = make(1000);
    head->next = make(200);
    head->next->next = make(30000);
}

static __attribute__((noinline)) void plant_cycle(void)
{
    struct node *one = make(500), *other = make(500), *third = make(500);
    one->next = other;
    other->next = third;
    third->next = one;
}

static __attribute__((noinline)) void plant_interior(void)
{
    into_block = make(1000)->rest + 100;
}

static __attribute__((noinline)) void plant_global(void)
{
    global = make(1000);
    global->next = make(100000); /* large: still only a pointer away */
}

static __attribute__((noinline)) void plant_thread_local(void)
{
    of_thread = make(1000);
}

/* An address that is kept, but not as one. */
static __attribute__((noinline)) void plant_disguised(void)
{
    disguised = ~(uintptr_t)make(1000);
}

/* Freed and got again: what the old block pointed to is lost. */
static __attribute__((noinline)) void plant_behind_freed(void)
{
    global = make(64);
    global->next = make(1000);
    free(global);
}

/* -- threads that are still there ------------------------------------------------------------- */

static int ready[2];

static void say_ready(void)
{
    if (write(ready[1], "", 1) != 1)
        abort();
}

/* Sleeps with the only pointer to a block in a register that the system call keeps. */
static void *keep_in_register(void *unused)
{
    (void)unused;
    struct node *node = make(1000);
    say_ready();
#if defined(__x86_64__)
    register struct node *kept __asm__("rbx") = node;
    node = NULL;
    for (;;)
        __asm__ volatile("syscall" : "+b"(kept) : "a"(SYS_pause) : "rcx", "r11", "memory");
#endif
    return node;
}

static void *keep_on_stack(void *unused)
{
    (void)unused;
    struct node *volatile node = make(1000);
    say_ready();
    for (;;)
        pause();
    return node;
}

/* Nobody can stop it by a signal; its stack is read all the same. */
static void *keep_with_signals_blocked(void *unused)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    return keep_on_stack(unused);
}

static void *forget(void *unused)
{
    (void)unused;
    plant_direct();
    wipe();
    say_ready();
    for (;;)
        pause();
    return NULL;
}

static void start(void *(*run)(void *))
{
    pthread_t thread;
    char byte;
    if (pipe(ready) != 0 || pthread_create(&thread, NULL, run, NULL) != 0 ||
        read(ready[0], &byte, 1) != 1)
        abort();
    usleep(20000); /* it sleeps by then; if not, its registers are read just as well */
}

static void plant_register(void)
{
    start(keep_in_register);
}

static void plant_stack(void)
{
    start(keep_on_stack);
}

static void plant_blocked(void)
{
    start(keep_with_signals_blocked);
}

static void plant_forgotten(void)
{
    start(forget);
}

static pthread_key_t key;

/* Where pthread_getspecific has it, libc and nobody else. */
static void plant_specific(void)
{
    if (pthread_key_create(&key, NULL) != 0 || pthread_setspecific(key, make(1000)) != 0)
        abort();
}

/* As C++ keeps an array with destructors: the pointer is behind the count of elements. */
static __attribute__((noinline)) void plant_counted(void)
{
    into_block = (char *)make(1000) + sizeof(size_t);
}

/* What a block without pointers to it points at in its middle is lost with it. */
static __attribute__((noinline)) void plant_indirect_interior(void)
{
    struct node *head = make(1000);
    head->next = (struct node *)(void *)(make(200)->rest + 8);
}

static const struct {
    const char *name;
    void (*plant)(void);
} cases[] = {{"direct", plant_direct},
             {"indirect", plant_indirect},
             {"cycle", plant_cycle},
             {"interior", plant_interior},
             {"global", plant_global},
             {"thread-local", plant_thread_local},
             {"disguised", plant_disguised},
             {"behind-freed", plant_behind_freed},
             {"register", plant_register},
             {"stack", plant_stack},
             {"blocked", plant_blocked},
             {"forgotten", plant_forgotten},
             {"specific", plant_specific},
             {"counted", plant_counted},
             {"indirect-interior", plant_indirect_interior}};

static void wait_for_end(void)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    dprintf(1, "%d\n", (int)getpid());
    while (poll(&input, 1, 2) != 1) {
        void *volatile block = malloc(10000);
        free(block);
    }
    dprintf(1, "done\n");
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc >= 2 && i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].plant();
            wipe();
            if (argc == 3)
                wait_for_end();
            return 0;
        }
    }
    return 2;
}
