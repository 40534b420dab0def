#pragma once

/*
 * ExportLoad
 *
 * Keeps a number of requests in flight for some seconds, and tells what came of it.
 */

#include "base/histogram.h"
#include "cli/nbd_client.h"

#define EXPORT_LOAD_DEPTH_MAX 64
#define EXPORT_LOAD_BLOCK_SIZE_MAX ((size_t) MIB)

typedef struct ExportLoadParameters {
        NbdHandle *nbd; /* borrowed */
        uint64_t size;  /* of the export: at least a block */
        size_t block_size;
        unsigned depth;
        uint64_t duration_ns;
        bool is_write;
        bool is_random;
        int interrupt; /* borrowed: ends it */
} ExportLoadParameters;

typedef struct ExportLoadResult {
        Histogram latencies; /* ns */
        uint64_t n_errors;
        uint64_t duration_ns;
} ExportLoadResult;

/* -EINTR, or -errno if the connection ended. */
int export_load_run(const ExportLoadParameters *parameters, ExportLoadResult *result);
