/* measure FILE COMMAND…: runs a command and appends "wall-seconds CPU-seconds peak-KiB" of that
 * process to FILE. Small by itself, because a child's peak memory counts from its parent's at the
 * fork. Exits as the command did, and 125 when it couldn't be run. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: measure FILE COMMAND…\n");
        return 125;
    }
    FILE *file = fopen(argv[1], "ae"); /* e: not for the command */
    if (!file) {
        perror(argv[1]);
        return 125;
    }
    double begin = now();
    pid_t child = fork();
    if (child == 0) {
        (void)execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(125);
    }
    int status;
    struct rusage used;
    if (child < 0 || wait4(child, &status, 0, &used) != child) {
        perror("measure");
        return 125;
    }
    (void)fprintf(file, "%.4f %.4f %ld\n", now() - begin,
                  seconds(used.ru_utime) + seconds(used.ru_stime), used.ru_maxrss);
    if (fclose(file)) {
        perror(argv[1]);
        return 125;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
