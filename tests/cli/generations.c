/* generations.c - `generations DEPTH [exec]`: a process whose child has a child, and so on, DEPTH
 * deep; with exec each becomes this program anew before it has the next one. Generation i keeps
 * i + 1 blocks of 1000 + i bytes, frees its parent's, and prints a line when its child has ended.
 * Half of them fork from a thread, while another one allocates. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEEPEST = 64 };

static void *kept[DEEPEST + 1];
static int depth, generation;
static char **arguments;
static _Atomic int is_over;

static __attribute__((noinline)) void keep(int count, size_t bytes)
{
    for (int i = 0; i < count; i++)
        kept[i] = malloc(bytes);
}

static void *churn(void *unused)
{
    prctl(PR_SET_NAME, "churn");
    while (!atomic_load(&is_over)) {
        void *volatile block = malloc(5000);
        free(block);
        usleep(200);
    }
    return unused;
}

static void live(void);

static int fork_once(void)
{
    int status = 1;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i <= generation; i++)
            free(kept[i]);
        generation++;
        if (arguments[2] != NULL) {
            char number[16];
            snprintf(number, sizeof(number), "%d", generation);
            execl("/proc/self/exe", arguments[0], arguments[1], arguments[2], number, NULL);
            _exit(127);
        }
        live();
    }
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

static void *fork_aside(void *failed)
{
    prctl(PR_SET_NAME, "forker");
    *(int *)failed = fork_once();
    return NULL;
}

/* Of this generation and all below; does not return. */
static void live(void)
{
    pthread_t other, forker;
    int failed = 0;
    keep(generation + 1, 1000 + (size_t)generation);
    if (generation < depth && generation % 2 == 0) {
        failed = fork_once();
    } else if (generation < depth) {
        atomic_store(&is_over, 0);
        failed = pthread_create(&other, NULL, churn, NULL) != 0 ||
                 pthread_create(&forker, NULL, fork_aside, &failed) != 0 ||
                 pthread_join(forker, NULL) != 0 || failed;
        atomic_store(&is_over, 1);
        pthread_join(other, NULL);
    }
    printf("%d%s\n", generation, failed ? " failed" : "");
    fflush(stdout);
    exit(failed);
}

int main(int argc, char **argv)
{
    arguments = argv;
    depth = argc > 1 ? atoi(argv[1]) : 0;
    generation = argc > 3 ? atoi(argv[3]) : 0;
    if (depth > DEEPEST)
        return 2;
    live();
}
