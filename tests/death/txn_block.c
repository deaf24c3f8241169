/* txn_block.c - another thread reads a block whose transaction was rolled back meanwhile. */
#include <pthread.h>

#include "preload/mpress_txn.h"
#include "tests/death/death.h"

static void *read_block(void *block)
{
    return *(char *)hidden(block) == 1 ? block : NULL;
}

int main(void)
{
    struct mpress_txn *txn = mpress_txn_begin(NULL, "rolled back", 0);
    char *block = memset(mpress_txn_alloc(txn, 100, 0), 1, 100);
    pthread_t thread;
    name_address(block);
    mpress_txn_rollback(txn);
    pthread_create(&thread, NULL, read_block, block);
    pthread_join(thread, NULL);
    work_on();
    return 0;
}
