/* own_stack.c - stacks are mapped on demand and kept in a small pool that all threads share. */
#include "tracer/own_stack.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "allocators/base/os.h"

enum {
    OWN_STACK_BYTES = 256 * 1024, /* touched: about 12 KiB, more if a signal handler runs on it */
    OWN_STACKS = 8,               /* kept; threads beyond map one for the moment */
};

static _Atomic(void *) pool[OWN_STACKS]; /* free stacks, by their lowest address */

static void *get_stack(void)
{
    for (size_t i = 0; i < OWN_STACKS; i++) {
        /* acquire: pairs with the release in put_stack */
        void *stack = atomic_exchange_explicit(&pool[i], NULL, memory_order_acquire);
        if (stack != NULL)
            return stack;
    }
    return os_map(OWN_STACK_BYTES);
}

static void put_stack(void *stack)
{
    for (size_t i = 0; i < OWN_STACKS; i++) {
        void *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&pool[i], &none, stack, memory_order_release,
                                                    memory_order_relaxed))
            return;
    }
    os_unmap(stack, OWN_STACK_BYTES);
}

bool own_stack_call(void (*function)(void *), void *argument)
{
    unsigned char *stack = get_stack();
    if (stack == NULL)
        return false;
    unsigned char *top = stack + OWN_STACK_BYTES;
    /* rbx survives the call, by the ABI, and keeps the old stack pointer. */
    __asm__ volatile("movq %%rsp, %%rbx\n\t"
                     "movq %[top], %%rsp\n\t"
                     "call *%[function]\n\t"
                     "movq %%rbx, %%rsp"
                     : "+D"(argument), [top] "+r"(top), [function] "+r"(function)
                     :
                     : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc", "memory",
                       "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    put_stack(stack);
    return true;
}

void own_stack_visit(void (*visit)(uintptr_t from, uintptr_t to, void *context), void *context)
{
    for (size_t i = 0; i < OWN_STACKS; i++) {
        uintptr_t stack = (uintptr_t)atomic_load_explicit(&pool[i], memory_order_acquire);
        if (stack != 0)
            visit(stack, stack + OWN_STACK_BYTES, context);
    }
}
