/* SPDX-License-Identifier: MIT */
/*
 * mapper FILE
 *
 * Maps FILE executable, touches nothing of it, and sleeps: whoever looks at the process reads a
 * file that may never answer.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SIZE = 1 << 16 };

int main(int argc, char **argv)
{
    int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
    if (mmap(NULL, SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    printf("pid %d\n", (int)getpid());
    fflush(stdout);
    for (;;)
        pause();
}
