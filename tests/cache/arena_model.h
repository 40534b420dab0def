#pragma once

/*
 * What an arena must hold, kept apart in the plainest form, and what a successor may find in it
 * while an operation is under way: for each line its state before or after, and nothing else.
 */

#include "base/random.h"
#include "cache/cache_arena.h"
#include "cache/cache_remains.h"

#define ARENA_MODEL_SLOTS 6
#define ARENA_MODEL_LUNS 3

typedef enum ArenaOperationKind {
        ARENA_OPERATION_KIND_CLAIM,
        ARENA_OPERATION_KIND_STORE,
        ARENA_OPERATION_KIND_LOSE,
        ARENA_OPERATION_KIND_DROP,
        ARENA_OPERATION_KIND_RELEASE,
        ARENA_OPERATION_KIND_DISCARD,
} ArenaOperationKind;

typedef struct ArenaOperation {
        ArenaOperationKind kind;
        uint32_t slot;
        unsigned lun;     /* CLAIM */
        uint64_t line;    /* CLAIM */
        uint32_t offset;  /* STORE */
        uint32_t size;    /* STORE */
        bool is_kept;     /* STORE */
        bool is_summed;   /* STORE */
        uint64_t seed;    /* STORE: of the bytes; 0: zeroes */
        CacheBits blocks; /* LOSE, DROP */
} ArenaOperation;

typedef struct ArenaModelSlot {
        bool is_used;
        unsigned lun;
        uint64_t line;
        CacheBits kept;
        CacheBits lost;
        uint8_t bytes[CACHE_LINE_SIZE_MAX];
} ArenaModelSlot;

typedef struct ArenaModel {
        uint32_t line_size;
        ArenaModelSlot slots[ARENA_MODEL_SLOTS];
} ArenaModel;

/* LUNs differ in their block sizes. */
const CacheIdentity *arena_model_get_identity(unsigned lun);
/* A memfd in which just the model's slots have room. */
int arena_model_new_fd(uint32_t line_size);
/* An arena in it, with the LUNs' identities. */
CacheArena *arena_model_new_arena(int fd, uint32_t line_size);
void arena_model_init(ArenaModel *model, uint32_t line_size);

/* One that is allowed now. */
ArenaOperation arena_model_choose(const ArenaModel *model, Random *random);
void arena_model_apply(ArenaModel *model, const ArenaOperation *operation);
/* What a STORE stores; `size` bytes. */
void arena_operation_make_bytes(const ArenaOperation *operation, uint8_t *to);
void arena_operation_apply(const ArenaOperation *operation, CacheArena *arena,
                           const uint8_t *bytes);

/* Whether the owner sees in the arena what the model says. */
void arena_model_check_arena(const ArenaModel *model, const CacheArena *arena);
/* Reads what is in `fd` as a successor would. `operation` leads from one to the other, NULL: both
 * are the same. NULL, or what is wrong with it. */
const char *arena_model_check_remains(const ArenaModel *before, const ArenaModel *after,
                                      const ArenaOperation *operation, int fd);
