// SPDX-License-Identifier: MIT
// An inline function with a probe in two units. As Rust's and some other makers of notes do, its
// note is in no group (flag "?"): the copy of the function that the linker drops leaves one behind.
#include <cstdio>
#include <unistd.h>

extern "C" {
extern volatile unsigned short app_alpha_semaphore;
}

#define SITE(provider, name, semaphore)                                                            \
    asm volatile("990: nop\n"                                                                      \
                 ".pushsection .note.stapsdt,\"\",@note\n"                                         \
                 ".balign 4\n"                                                                     \
                 ".4byte 992f-991f,994f-993f,3\n"                                                  \
                 "991: .asciz \"stapsdt\"\n"                                                       \
                 "992: .balign 4\n"                                                                \
                 "993: .8byte 990b, 0, " semaphore "\n"                                            \
                 ".asciz \"" provider "\", \"" name "\", \"\"\n"                                   \
                 "994: .balign 4\n"                                                                \
                 ".popsection")

inline __attribute__((noinline)) void mark_inline()
{
    if (app_alpha_semaphore) {
        puts("alpha is on");
        fflush(stdout);
    }
    SITE("app", "alpha", "app_alpha_semaphore");
}

void mark_elsewhere();

#ifdef MAIN
volatile unsigned short app_alpha_semaphore __attribute__((section(".probes")));

int main()
{
    printf("pid %d\n", static_cast<int>(getpid()));
    for (;;) {
        mark_inline();
        mark_elsewhere();
        fflush(stdout);
        usleep(20000);
    }
}
#else
void mark_elsewhere()
{
    mark_inline();
}
#endif
