/* unheard.c - `unheard CALL`: a child that no fork handler hears of, whose first use of the heap is
 * CALL: malloc, calloc, realloc, free or mmap. Then it makes a block of 4,321 bytes and ends. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile block;

static void call(const char *name)
{
    if (strcmp(name, "malloc") == 0)
        block = malloc(10);
    else if (strcmp(name, "calloc") == 0)
        block = calloc(10, 10);
    else if (strcmp(name, "realloc") == 0)
        block = realloc(block, 900);
    else if (strcmp(name, "free") == 0)
        free(block);
    else
        block = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

int main(int argc, char **argv)
{
    int status = 1;
    if (argc < 2)
        return 2;
    for (int i = 0; i < 100; i++) { /* sizes that the thread has at hand */
        block = malloc(100);
        free(realloc(block, 900));
    }
    block = malloc(100);
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        call(argv[1]);
        block = malloc(4321);
        exit(0);
    }
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}
