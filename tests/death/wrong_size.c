/* wrong_size.c - gives free_sized() the size of another type. */
#include "tests/death/death.h"

__attribute__((weak)) void free_sized(void *p, size_t bytes);

int main(void)
{
    void *block = malloc(64);
    name_address(block);
    if (free_sized != NULL)
        free_sized(hidden(block), 4000);
    work_on();
    return 0;
}
