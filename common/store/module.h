/* Drivers in shared objects of their own, which are loaded when a URL asks for one. */
#ifndef CF_STORE_MODULE_H
#define CF_STORE_MODULE_H

#include "common/store/store.h"

/* The driver of s3v2:, from cloudfolio-s3v2.so in the program's own folder, or else in
 * ../lib/cloudfolio/ seen from there; from nowhere else. It stays loaded. The program must export
 * its cf_* functions (-Wl,--export-dynamic-symbol=cf_*). CF_ECONFIG: it isn't there, or can't be
 * loaded; the message says what to install. */
int cf_store_sigv2_load(const struct cf_store_driver **out, struct cf_error *err);

#endif
