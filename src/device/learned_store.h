#pragma once

/*
 * LearnedStore
 *
 * What devices have taught about themselves, a file for each in the state folder's "learned". None of
 * it is needed: a file that can't be read is told of in the log and taken for none, and one that is
 * deleted makes its device unknown again. All of it blocks, for as long as a few small files take.
 */

#include "device/state_store.h"
#include "usb/usb_learned_facts.h"

#define LEARNED_STORE_FOLDER_NAME "learned"
/* With more, what was neither used nor changed for the longest time goes. */
#define LEARNED_STORE_FILES_MAX 256
#define LEARNED_STORE_NAME_SIZE_MAX 128

typedef StateStore LearnedStore;

/* -ENOMEM. Nothing is made on the disk before there is something to save. */
int learned_store_new(LearnedStore **ret, const char *state_dir);
LearnedStore *learned_store_free(LearnedStore *store);
DEFINE_CLEANUP(LearnedStore *, learned_store_free);

/* The file's name for a device: all that tells it from others, and its version, as another one may
 * have other faults. `serial` may be "". */
void learned_store_format_name(char name[static LEARNED_STORE_NAME_SIZE_MAX], uint16_t vendor_id,
                               uint16_t product_id, uint16_t version, const char *serial);
/* False: nothing is known, and `ret` says so. */
bool learned_store_load(LearnedStore *store, const char *name, UsbLearnedFacts *ret);
/* Failure is told in the log: -errno. */
int learned_store_save(LearnedStore *store, const char *name, const UsbLearnedFacts *facts);
