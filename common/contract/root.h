/* cloudfolio.json: what a store says of itself, read by every job before anything else. */
#ifndef CF_CONTRACT_ROOT_H
#define CF_CONTRACT_ROOT_H

#include "common/store/store.h"

/* Checks that the store holds this contract (one GET). A store without the file is probed first,
 * and gets it. CF_ECONFIG when the file is of another contract, or when the store fails the probe.
 */
int cf_root_check(struct cf_store *store, struct cf_error *err);

/* The probe's parts, in the order in which they are tried. */
enum cf_probe { CF_PROBE_RACE, CF_PROBE_TWICE, CF_PROBE_LIST, CF_PROBE_PARTS };

/* The probe that a store must pass to be committed to: a fresh key put twice on condition gives
 * success, then a conflict; of 8 writers racing for one key, one wins; LIST shows a new key at once
 * and in order. What it wrote is deleted again. CF_ECONFIG says which part failed. */
int cf_root_probe(struct cf_store *store, struct cf_error *err);

/* The same, every part whatever became of the others: errors[i].code is 0 when part i passed. */
void cf_root_probe_each(struct cf_store *store, struct cf_error errors[CF_PROBE_PARTS]);

#endif
