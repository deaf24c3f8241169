/* unknown_pointer.c - frees a static variable. */
#include "tests/death/death.h"

static _Alignas(64) char variable[128];

int main(void)
{
    free(malloc(10));
    name_address(variable + 64);
    free(hidden(variable + 64));
    work_on();
    return 0;
}
