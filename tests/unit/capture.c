#include "tests/unit/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static FILE *open_file(void)
{
    FILE *file = tmpfile();
    if (!file) {
        perror("tmpfile");
        abort();
    }
    return file;
}

static void read_back(FILE *file, struct cf_buf *out)
{
    char piece[4096];
    size_t got;
    rewind(file);
    while ((got = fread(piece, 1, sizeof(piece), file)) > 0) {
        cf_buf_append(out, piece, got);
    }
    (void)fclose(file);
}

void capture_run(int (*function)(void *context), void *context, struct captured *captured)
{
    FILE *out = open_file();
    FILE *err = open_file();
    int status = 0;
    memset(captured, 0, sizeof(*captured));
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (dup2(fileno(out), STDOUT_FILENO) < 0 || dup2(fileno(err), STDERR_FILENO) < 0) {
            _exit(99);
        }
        exit(function(context));
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("fork");
        abort();
    }
    captured->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    captured->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    read_back(out, &captured->out);
    read_back(err, &captured->err);
}

void captured_release(struct captured *captured)
{
    cf_buf_release(&captured->out);
    cf_buf_release(&captured->err);
}
