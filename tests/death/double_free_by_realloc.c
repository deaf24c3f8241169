/* double_free_by_realloc.c - resizes a block that was freed. */
#include "tests/death/death.h"

int main(void)
{
    void *block = malloc(100000);
    name_address(block);
    free(block);
    block = realloc(hidden(block), 900000);
    free(block);
    work_on();
    return 0;
}
