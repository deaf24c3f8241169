/* still.c - a program without any library: it does nothing, for ever. */
_Noreturn void _start(void);
_Noreturn void _start(void)
{
    for (volatile int i = 0;; i = 0)
        (void)i;
}
