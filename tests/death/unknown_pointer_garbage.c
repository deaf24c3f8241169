/* unknown_pointer_garbage.c - frees an address where nothing is mapped. */
#include "tests/death/death.h"

int main(void)
{
    void *garbage = (void *)(uintptr_t)0x123456780;
    name_address(garbage);
    free(hidden(garbage));
    work_on();
    return 0;
}
