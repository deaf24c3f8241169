/* interior_free_unaligned.c - frees an address that no block can have. */
#include "tests/death/death.h"

int main(void)
{
    char *block = malloc(1000);
    name_address(block + 3);
    free(hidden(block + 3));
    work_on();
    return 0;
}
