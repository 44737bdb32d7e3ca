/* The revision that this program was built from: what git says, with "-dirty" when files were
 * changed, or "unknown" outside a repository. */
#ifndef CF_BASE_BUILD_H
#define CF_BASE_BUILD_H

const char *cf_build(void);

#endif
