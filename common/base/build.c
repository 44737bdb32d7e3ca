#include "common/base/build.h"

#ifndef CF_BUILD
#define CF_BUILD "unknown"
#endif

const char *cf_build(void)
{
    return CF_BUILD;
}
