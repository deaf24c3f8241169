/* busy.c - busy FILE [child]: two threads allocate and free until FILE is there; then says "done".
 * With a second word a child of fork does the same. */
#define _GNU_SOURCE /* usleep */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 1000, ROUND = 2000, ROUNDS_MOST = 12000 };

static const char *end;

static void *work(void *argument)
{
    static _Thread_local void *slots[SLOTS];
    uint64_t random = 88172645463325252U + (uintptr_t)argument;
    for (int round = 0; round < ROUNDS_MOST && access(end, F_OK) != 0; round++) {
        for (int i = 0; i < ROUND; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            void **slot = &slots[random % SLOTS];
            free(*slot);
            *slot = random >> 63 != 0 ? malloc(16 + (random >> 20) % 1000) : NULL;
        }
        usleep(5000);
    }
    for (int i = 0; i < SLOTS; i++)
        free(slots[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    end = argv[1];
    pid_t child = argc > 2 ? fork() : -1;
    pthread_create(&thread, NULL, work, (void *)(uintptr_t)7919);
    work(NULL);
    pthread_join(thread, NULL);
    if (child > 0)
        waitpid(child, NULL, 0);
    if (child != 0)
        puts("done");
    return 0;
}
