/* double_free_large.c - frees a block above the slabs twice. */
#include "tests/death/death.h"

int main(void)
{
    void *block = malloc(300000);
    name_address(block);
    free(block);
    free(hidden(block));
    work_on();
    return 0;
}
