/* double_free_medium.c - frees a block twice that its thread keeps at hand. */
#include "tests/death/death.h"

int main(void)
{
    void *block = malloc(100000);
    name_address(block);
    free(block);
    free(hidden(block));
    work_on();
    return 0;
}
