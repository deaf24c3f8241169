/* interior_free_large.c - frees a page inside a block above the slabs. */
#include "tests/death/death.h"

int main(void)
{
    char *block = malloc(500000);
    name_address(block + 65536);
    free(hidden(block + 65536));
    work_on();
    return 0;
}
