/* wrong_size_delete.cpp - deletes an object through a base class without virtual destructor. */
#include <new>

#include "tests/death/death.h"

struct base {
    long number;
};
struct derived : base {
    char more[2000];
};

int main()
{
    derived *object = new derived;
    name_address(object);
    operator delete(hidden(object), sizeof(base));
    work_on();
    return 0;
}
