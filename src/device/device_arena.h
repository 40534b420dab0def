#pragma once

/*
 * DeviceArena
 *
 * The memory in which a worker's cache lies, as the manager keeps it: a memfd, or the orphan file
 * that one was saved to. Without systemd, which keeps memfds while the service restarts, it is a file
 * in the runtime folder, named as systemd would name it, and locked as long as anybody has it open. The manager never looks into it; it knows whose it is, and which LUNs may
 * have data in it that is nowhere else. Plain data, but for what the functions keep in step.
 */

#include "base/list.h"
#include "control/control_message.h"
#include "device/export_name.h"
#include "device/orphan_save.h"

typedef struct DeviceArena {
        int fd; /* owned */
        char base_name[EXPORT_NAME_SIZE_MAX];
        bool is_file;       /* an orphan file */
        const char *folder; /* borrowed: where it has a name; NULL: a memfd */
        /* Of all memfds: the higher, the newer. It outlives the process, in systemd's fd store. */
        uint64_t sequence;
        uint32_t id;                        /* in REMAINS */
        uint32_t luns;                      /* mask: whose data may be in it and nowhere else */
        uint32_t numbers[CONTROL_LUNS_MAX]; /* of the files that have the LUN's data; 0: none */
        OrphanSave *save;                   /* owned; NULL: is not being saved */
        bool must_save;                     /* soon: nobody is going to take it in now */
        uint64_t save_ns;                   /* not before */
        ListNode node;                      /* of its owner's list */
} DeviceArena;

/* A new one with room for `cache_size` bytes of lines; it costs nothing until it is written to.
 * `folder` NULL: a memfd. Its size is sealed, as its users map it; that of a file only its worker
 * could change, before it dies. -errno. */
int device_arena_new(DeviceArena **ret, const char *base_name, uint64_t sequence,
                     uint64_t cache_size, const char *folder);
/* Whether it has the beginning of an arena's name in systemd's store. */
bool device_arena_is_stored_name(const char *name);
/* One that systemd kept, or `folder`: `fd` is taken over, also on failure. -EBADMSG: it is none of
 * ours. */
int device_arena_new_stored(DeviceArena **ret, int fd, const char *name, const char *folder);
/* Waits until who had the file of a former service open is done with it. -EBUSY: not soon; -errno. */
int device_arena_lock(int fd, const char *name);
/* `fd` is taken over, also on failure; -ENOMEM. */
int device_arena_new_orphan(DeviceArena **ret, int fd, const OrphanName *name);
/* Gives the memory up; a file stays, and what is in systemd's store as well. Takes NULL. */
DeviceArena *device_arena_free(DeviceArena *arena);
DEFINE_CLEANUP(DeviceArena *, device_arena_free);
/* The same, and systemd forgets it: nothing in it is needed any more, or all is in files. */
DeviceArena *device_arena_drop(DeviceArena *arena);

/* In systemd's store from the first LUN on: before that nothing can be in it. */
void device_arena_set_luns(DeviceArena *arena, uint32_t luns);
/* Nothing was ever in it, or its worker wiped it, as nothing was left to be done. Only asks where
 * there is memory. */
bool device_arena_is_empty(const DeviceArena *arena);
/* The LUNs whose data is in no file. */
uint32_t device_arena_get_unsaved(const DeviceArena *arena);
/* Where its LUN's data is. */
OrphanName device_arena_get_orphan_name(const DeviceArena *arena, unsigned lun);
/* These LUNs' data is taken in or not wanted: their files are deleted from `folder`. */
void device_arena_release(DeviceArena *arena, uint32_t luns, const char *folder);
