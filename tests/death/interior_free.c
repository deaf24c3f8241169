/* interior_free.c - frees an address inside a small block. */
#include "tests/death/death.h"

int main(void)
{
    char *block = malloc(256);
    name_address(block + 16);
    free(hidden(block + 16));
    work_on();
    return 0;
}
