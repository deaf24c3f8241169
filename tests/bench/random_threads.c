/* random_threads.c - four threads allocate and free at random, 5 million calls each or as many as
 * the argument says: the hardest program to record, as nothing in its trace repeats. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

enum { THREADS = 4, SLOTS = 1000 };

static long calls = 5000000;

static void *work(void *number)
{
    void *slots[SLOTS] = {0};
    uint64_t random = UINT64_C(88172645463325252) * (1 + (uintptr_t)number);
    for (long i = 0; i < calls; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        void **slot = &slots[(random >> 20) % SLOTS];
        if (*slot == NULL) {
            *slot = malloc(16 + (random >> 40) % 1000);
        } else {
            free(*slot);
            *slot = NULL;
        }
    }
    for (int i = 0; i < SLOTS; i++)
        free(slots[i]);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    if (argc > 1)
        calls = atol(argv[1]);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
