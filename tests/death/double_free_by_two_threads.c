/* double_free_by_two_threads.c - the second free comes from another thread. */
#include <pthread.h>

#include "tests/death/death.h"

static void *free_in_thread(void *block)
{
    free(block);
    return NULL;
}

int main(void)
{
    void *block = malloc(200);
    void *kept = malloc(200);
    name_address(block);
    free(hidden(block));
    pthread_t thread;
    if (pthread_create(&thread, NULL, free_in_thread, hidden(block)) != 0)
        return 3;
    pthread_join(thread, NULL);
    work_on();
    free(kept);
    return 0;
}
