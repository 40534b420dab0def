#pragma once

/*
 * StorageSettings
 *
 * What of a StorageManager's options can change while it lives; others are for a successor.
 */

#include "storage/storage_manager.h"

/* The timeout, whether there is one command at a time, validation and the commands kept count at
 * once; what concerns units for those that are opened from now on. */
void storage_settings_set(StorageManager *manager, const StorageOptions *options);
/* When the device may sleep by itself; at once. */
void storage_settings_set_power(StorageManager *manager, const PowerOptions *options);
/* With a cache: what it is to do. While the device is reset too often, writes are written through all
 * the same. */
void storage_settings_set_cache_mode(StorageManager *manager, CacheMode mode);
/* With a cache: its options but for the mode, and how long the device is waited for once it has
 * gone. */
void storage_settings_set_cache(StorageManager *manager, const CacheOptions *options,
                                uint32_t park_timeout_ms);
/* How its drives are asked for their health, and how often. */
void storage_settings_set_smart(StorageManager *manager, const ControlSmartOptions *options);
