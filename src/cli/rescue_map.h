#pragma once

/*
 * RescueMap
 *
 * Which parts of something have been copied, in ddrescue's mapfile format, so that a copy can be
 * resumed, and finished by that program too. Always covers all of it, in order, without gaps.
 */

#include <stdio.h>

#include "base/macros.h"

/* More of them are not kept: a disk in such a state is not worth a finer map. */
#define RESCUE_MAP_EXTENTS_MAX 1000000
/* Of a file that is read. */
#define RESCUE_MAP_FILE_SIZE_MAX (64 * MIB)

/* As ddrescue has them. */
typedef enum RescueStatus {
        RESCUE_STATUS_UNTRIED,
        RESCUE_STATUS_UNTRIMMED, /* failed in a large piece */
        RESCUE_STATUS_UNSCRAPED, /* failed in a small one */
        RESCUE_STATUS_BAD,
        RESCUE_STATUS_DONE,
        _RESCUE_STATUS_MAX,
} RescueStatus;

typedef struct RescueExtent {
        uint64_t start;
        uint64_t size;
        RescueStatus status;
} RescueExtent;

typedef struct RescueMap RescueMap;

/* Nothing has been tried yet. -ENOMEM. */
int rescue_map_new(RescueMap **ret, uint64_t size);
RescueMap *rescue_map_free(RescueMap *map);
DEFINE_CLEANUP(RescueMap *, rescue_map_free);
/* Reads a mapfile about something of `size` bytes; what it does not mention is untried. -EINVAL:
 * `*ret_line` is wrong. -ERANGE: `*ret_line` is about what is beyond the end. -E2BIG, -ENOMEM. */
int rescue_map_parse(RescueMap **ret, const char *text, size_t text_size, uint64_t size,
                     unsigned *ret_line);
/* -E2BIG: it would have too many extents, and is as before. -ENOMEM. */
int rescue_map_set(RescueMap *map, uint64_t start, uint64_t size, RescueStatus status);
/* The first part from `start` on with this status. */
bool rescue_map_find(const RescueMap *map, uint64_t start, RescueStatus status, RescueExtent *ret);
uint64_t rescue_map_sum(const RescueMap *map, RescueStatus status);
size_t rescue_map_count(const RescueMap *map, RescueStatus status);
uint64_t rescue_map_size(const RescueMap *map);
/* The mapfile's text. Failures are the stream's. */
void rescue_map_write(const RescueMap *map, FILE *file);
/* Replaces the file in one step. -errno. */
int rescue_map_save(const RescueMap *map, const char *path);
