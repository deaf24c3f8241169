/* unknown_pointer_stack.c - resizes a local variable. */
#include "tests/death/death.h"

int main(void)
{
    _Alignas(16) char variable[128];
    name_address(variable);
    free(realloc(hidden(variable), 1000));
    work_on();
    return 0;
}
