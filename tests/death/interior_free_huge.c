/* interior_free_huge.c - frees a page inside a block that has a mapping of its own. */
#include "tests/death/death.h"

int main(void)
{
    char *block = malloc((size_t)100 << 20);
    name_address(block + 65536);
    free(hidden(block + 65536));
    work_on();
    return 0;
}
