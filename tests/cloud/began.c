/* began PROGRAM [ARGUMENT…]: says when it was started, in µs of the monotonic clock, and becomes the program. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec now;
    if (argc < 2 || clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return 64;
    }
    fprintf(stderr, "began %lld\n", (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    execv(argv[1], argv + 1);
    return 78;
}
