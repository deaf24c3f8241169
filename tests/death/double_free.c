/* double_free.c - frees a block twice, with others in between. */
#include "tests/death/death.h"

int main(void)
{
    void *blocks[10];
    for (int i = 0; i < 10; i++)
        blocks[i] = malloc(64);
    name_address(blocks[5]);
    for (int i = 0; i < 10; i++)
        free(blocks[i]);
    free(hidden(blocks[5]));
    work_on();
    return 0;
}
