/* Folders for tests that write files. */
#ifndef TESTS_UNIT_TEMPORARY_H
#define TESTS_UNIT_TEMPORARY_H

/* A fresh folder below TMPDIR (or /tmp); its path is freed by temporary_remove. */
char *temporary_folder(void);

/* Removes the folder with everything in it, and frees the path. */
void temporary_remove(char *path);

#endif
