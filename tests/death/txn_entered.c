/* txn_entered.c - ends a transaction while another thread allocates from it. */
#include <pthread.h>

#include "preload/mpress_txn.h"
#include "tests/death/death.h"

static void *enter_and_stay(void *txn)
{
    while (mpress_txn_enter(txn) != 0)
        continue;
    pause();
    return txn;
}

int main(void)
{
    struct mpress_txn *txn = mpress_txn_begin(NULL, "entered", 0);
    pthread_t thread;
    name_address(txn);
    pthread_create(&thread, NULL, enter_and_stay, txn);
    while (mpress_txn_enter(txn) == 0) /* until it is the other's */
        mpress_txn_leave(txn);
    mpress_txn_commit(txn);
    work_on();
    return 0;
}
