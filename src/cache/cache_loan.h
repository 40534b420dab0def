#pragma once

/*
 * CacheLoan
 *
 * Reads that hit, without a copy: BlockDeviceOps::lend of a volume. Private to cache.
 */

#include "cache/cache_volume_internal.h"

bool cache_loan_lend(CacheVolume *volume, uint64_t offset, uint64_t size, BlockLoan *ret);
void cache_loan_take_back(CacheVolume *volume, BlockLoan *loan);
