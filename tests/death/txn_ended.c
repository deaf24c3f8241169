/* txn_ended.c - rolls a transaction back that was committed. */
#include "preload/mpress_txn.h"
#include "tests/death/death.h"

int main(void)
{
    struct mpress_txn *txn = mpress_txn_begin(NULL, "ended", 0);
    if (mpress_txn_alloc(txn, 100, 0) == NULL)
        return 1;
    name_address(txn);
    mpress_txn_commit(txn);
    mpress_txn_rollback(hidden(txn));
    work_on();
    return 0;
}
