#pragma once

/*
 * Model
 *
 * What the clients of one LUN may see: for each block of 512 bytes the contents that it may have,
 * and those that it may have again after everything volatile was lost (DESIGN section 6). Requests
 * are told when they start and when they end; what happened in between has no order, so that a
 * READ may see either side of a WRITE that was in flight with it, block by block.
 *
 * Bytes that are written follow from the WRITE's number and the place alone, so a content is a
 * number, but where a WRITE ends within a block.
 */

#include "base/list.h"

#define MODEL_BLOCK_SIZE 512
/* What one request touches at most. */
#define MODEL_RANGE_SIZE_MAX (256 * KIB)

typedef struct Model Model;

typedef enum ModelKind {
        MODEL_READ,
        MODEL_WRITE,
        MODEL_ZERO,
        MODEL_TRIM,
        MODEL_FLUSH,
        MODEL_HINT, /* changes and shows nothing */
} ModelKind;

typedef struct ModelRequest {
        ModelKind kind;
        bool is_fua;
        uint64_t offset;
        uint64_t size;
        uint64_t number;  /* of the bytes that a WRITE writes; unique */
        uint64_t start;   /* the model's: when it was sent, in its count of events */
        bool is_doubtful; /* the model's: the device lost its cache meanwhile */
        ListNode node;    /* the model's: Model::requests */
} ModelRequest;

/* The bytes of [offset, offset + size) of WRITE `number`. */
void model_fill(uint64_t number, uint64_t offset, void *bytes, size_t size);

/* `number`: the WRITE that the medium was filled with before; 0: zeroes. */
Model *model_new(uint64_t size, uint64_t number);
Model *model_free(Model *model);

/* Whether the order of this one and of those in flight could be told from the outside: two WRITEs
 * that share bytes of a block, one of them without writing all of it. */
bool model_may_start(const Model *model, const ModelRequest *request);
/* Borrowed until it has ended. */
void model_start(Model *model, ModelRequest *request);
/* The request in flight is kept elsewhere from now on. */
void model_replace(Model *model, ModelRequest *from, ModelRequest *to);
/* Some of the bytes that a READ was answered with, which has not ended yet. False: they can't be from
 * `ret_offset` on. */
bool model_check(Model *model, const ModelRequest *request, uint64_t offset, const void *bytes,
                 size_t size, uint64_t *ret_offset);
/* `is_good`: told to have succeeded. Else what it was to do may have happened, or not. */
void model_end(Model *model, ModelRequest *request, bool is_good);

/* Everything that was in no cache but a volatile one may be gone: any content since the last FLUSH
 * may be back. */
void model_lose_volatile(Model *model);
/* Whether the bytes are what is there now, with nothing in flight. */
bool model_compare(Model *model, uint64_t offset, const void *bytes, size_t size,
                   uint64_t *ret_offset);
/* What the model allows at a block, for the log. */
void model_describe(const Model *model, uint64_t offset, char *text, size_t size);
