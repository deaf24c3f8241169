/* double_free_huge.c - frees a block that had a mapping of its own twice, while that is kept. */
#include "tests/death/death.h"

int main(void)
{
    void *block = malloc(40 << 20);
    name_address(block);
    free(block);
    free(hidden(block));
    work_on();
    return 0;
}
