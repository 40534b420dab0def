#pragma once

/*
 * ImageCopy
 *
 * Copies between an export and a file, with several requests in flight. What fails in large pieces
 * is tried in small ones, and at last block by block; what fails then as well is passed over. The
 * map tells at each moment what is done.
 */

#include "cli/nbd_client.h"
#include "cli/rescue_map.h"

#define IMAGE_COPY_DEPTH_DEFAULT 8
#define IMAGE_COPY_DEPTH_MAX 64

typedef struct ImageCopy ImageCopy;

typedef struct ImageCopyOps {
        /* Mandatory. From time to time: true to give up, with what is in flight still done. */
        bool (*should_stop)(void *userdata);
        /* Optional. Something may be new in the map. */
        void (*on_progress)(void *userdata);
} ImageCopyOps;

typedef struct ImageCopyParameters {
        NbdHandle *nbd; /* borrowed, as all here */
        RescueMap *map;
        int fd;
        bool to_export;
        bool has_holes; /* what is not written to the file reads as zeroes */
        uint32_t block_size;
        unsigned depth;
        const ImageCopyOps *ops;
        void *userdata;
} ImageCopyParameters;

/* 0: everything was tried. -EINTR: it was told to stop. -errno: it can't go on; `*ret_text` is where
 * it failed ("reading the file"). */
int image_copy_run(const ImageCopyParameters *parameters, const char **ret_text);
/* What was written so far is where it will last. */
int image_copy_sync(const ImageCopyParameters *parameters, const char **ret_text);
