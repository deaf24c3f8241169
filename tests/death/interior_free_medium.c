/* interior_free_medium.c - frees an address in the first page of a block above the slabs. */
#include "tests/death/death.h"

int main(void)
{
    char *block = malloc(100000);
    name_address(block + 64);
    free(hidden(block + 64));
    work_on();
    return 0;
}
