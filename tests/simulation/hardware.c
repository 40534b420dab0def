/* See hardware.h. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "hardware.h"
#include "model.h"

#define CHUNK_SIZE ((size_t) (64 * KIB))

/* Of no WRITE. */
#define FOREIGN_NUMBER ((UINT64_C(1) << 40) - 1)

static void fill_medium(Hardware *hardware, int fd, uint64_t number) {
        uint8_t bytes[CHUNK_SIZE];

        if (number == 0)
                return;
        for (uint64_t offset = 0; offset < hardware->plan->size; offset += CHUNK_SIZE) {
                size_t size = MIN((size_t) (hardware->plan->size - offset), CHUNK_SIZE);
                ssize_t n;

                model_fill(number, offset, bytes, size);
                n = pwrite(fd, bytes, size, (off_t) offset);
                assert(n == (ssize_t) size);
        }
}

static int make_medium(Hardware *hardware, uint64_t number) {
        int fd = memfd_create("simulation-medium", MFD_CLOEXEC);
        int r;

        assert(fd >= 0);
        r = ftruncate(fd, (off_t) hardware->plan->size);
        assert(r == 0);
        fill_medium(hardware, fd, number);
        return fd;
}

void hardware_init(Hardware *hardware, EventLoop *loop, Journal *journal, const Plan *plan) {
        *hardware = (Hardware){
                .loop = loop,
                .journal = journal,
                .plan = plan,
                .is_plugged = true,
                .speed = plan->speed,
        };
        random_init(&hardware->random, plan->seed ^ UINT64_C(0x68617264));
        hardware->scratch = malloc(2 * CHUNK_SIZE);
        assert(hardware->scratch);
        for (unsigned i = 0; i < plan->n_luns; i++) {
                hardware->fds[i] = make_medium(hardware, plan->fill_number);
                hardware->foreign_fds[i] = plan->has_foreign_disk
                                                           ? make_medium(hardware, FOREIGN_NUMBER)
                                                           : -EBADF;
        }
}

void hardware_done(Hardware *hardware) {
        for (unsigned i = 0; i < hardware->plan->n_luns; i++) {
                fd_close(hardware->fds[i]);
                fd_close(hardware->foreign_fds[i]);
        }
        free(hardware->scratch);
}

static void make_spec(const Hardware *hardware, SimulatorSpec *spec, uint64_t seed) {
        const Plan *plan = hardware->plan;

        simulator_spec_init(spec);
        spec->size = plan->size;
        spec->block_size = plan->block_size;
        spec->physical_block_size = plan->block_size;
        spec->n_luns = plan->n_luns;
        spec->speed = hardware->speed;
        spec->latency_us = plan->latency_us;
        spec->is_removable = plan->is_removable;
        spec->is_read_only = plan->is_read_only;
        spec->has_write_cache = plan->has_volatile_cache;
        spec->cache_size = plan->device_cache_size;
        spec->loses_cache_on_reset = plan->loses_cache_on_reset;
        spec->has_unmap = plan->has_unmap;
        spec->bears_pipelining = plan->bears_pipelining;
        if (hardware->speed >= USB_SPEED_HIGH)
                spec->transport = plan->transport;
        spec->disorder_us = plan->disorder_us;
        spec->spin_up_ms = plan->spin_up_ms;
        spec->stop_after_ms = plan->stop_after_ms;
        spec->starts_by_itself = plan->starts_by_itself;
        spec->drive.kind = plan->drive;
        spec->drive.bridge = plan->bridge;
        spec->seed = seed;
        if (hardware->disk == HARDWARE_DISK_OTHER_DEVICE)
                snprintf(spec->model, sizeof(spec->model), "FOREIGN");
}

UsbDevice *hardware_open(Hardware *hardware) {
        SimulatorSpec spec;
        int r;

        assert(hardware->is_plugged && !hardware->device);

        make_spec(hardware, &spec, random_u64(&hardware->random));
        r = simulated_device_new(&hardware->device, hardware->loop, &spec,
                                 hardware->disk == HARDWARE_DISK_OWN ? hardware->fds
                                                                     : hardware->foreign_fds,
                                 hardware->plan->n_luns);
        assert(r == 0);
        hardware->n_losses = 0;
        return hardware->device;
}

static void look_at_losses(Hardware *hardware) {
        uint64_t n_losses;

        if (!hardware->device)
                return;
        if (simulated_device_get_counters(hardware->device)->n_suspended_uses > 0)
                journal_fail(hardware->journal, "the device was used while it was suspended");
        n_losses = simulated_device_get_counters(hardware->device)->n_cache_losses;
        if (n_losses != hardware->n_losses)
                hardware->has_lost = true;
        hardware->n_losses = n_losses;
}

bool hardware_take_loss(Hardware *hardware) {
        bool has_lost;

        look_at_losses(hardware);
        has_lost = hardware->has_lost;
        hardware->has_lost = false;
        return has_lost;
}

/* Blocks that are in the cache alone are written, or not. */
static void settle_chunk(Hardware *hardware, unsigned lun, uint64_t offset, size_t size,
                         HardwareCache cache) {
        uint8_t *seen = hardware->scratch, *stable = hardware->scratch + CHUNK_SIZE;
        uint32_t block_size = hardware->plan->block_size;
        UsbDevice *device = hardware->device;

        simulated_device_read_medium(device, lun, /* is_stable= */ false, offset, seen, size);
        simulated_device_read_medium(device, lun, /* is_stable= */ true, offset, stable, size);
        if (memcmp(seen, stable, size) == 0)
                return;
        for (size_t at = 0; at < size; at += block_size) {
                if (memcmp(seen + at, stable + at, block_size) == 0)
                        continue;
                if (cache == HARDWARE_CACHE_WRITTEN || random_one_in(&hardware->random, 2))
                        simulated_device_write_medium(device, lun, offset + at, seen + at,
                                                      block_size);
                else
                        hardware->has_lost = true;
        }
}

static void settle(Hardware *hardware, HardwareCache cache) {
        const Plan *plan = hardware->plan;

        if (cache == HARDWARE_CACHE_LOST) {
                hardware->has_lost |= plan->has_volatile_cache;
                return;
        }
        if (!plan->has_volatile_cache)
                return;
        for (unsigned lun = 0; lun < plan->n_luns; lun++)
                for (uint64_t offset = 0; offset < plan->size; offset += CHUNK_SIZE)
                        settle_chunk(hardware, lun, offset,
                                     MIN((size_t) (plan->size - offset), CHUNK_SIZE), cache);
}

void hardware_cut(Hardware *hardware, HardwareCache cache) {
        if (!hardware->device)
                return;
        look_at_losses(hardware);
        simulated_device_unplug(hardware->device);
        settle(hardware, cache);
        hardware->device = NULL;
        hardware->cut_ns = event_loop_now_ns(hardware->loop);
}

static const char *cache_to_string(HardwareCache cache) {
        static const char *const names[_HARDWARE_CACHE_MAX] = {
                [HARDWARE_CACHE_WRITTEN] = "written",
                [HARDWARE_CACHE_LOST] = "lost",
                [HARDWARE_CACHE_TORN] = "torn",
        };

        return names[cache];
}

void hardware_unplug(Hardware *hardware, HardwareCache cache) {
        journal_note(hardware->journal, "unplugged, the device's cache is %s",
                     cache_to_string(cache));
        hardware_cut(hardware, cache);
        hardware->is_plugged = false;
}

void hardware_forget(Hardware *hardware) {
        if (!hardware->device)
                return;
        hardware->device = NULL;
        hardware->has_lost |= hardware->plan->has_volatile_cache;
        hardware->cut_ns = event_loop_now_ns(hardware->loop);
}

void hardware_plug(Hardware *hardware, HardwareDisk disk, UsbSpeed speed) {
        static const char *const names[_HARDWARE_DISK_MAX] = {
                [HARDWARE_DISK_OWN] = "",
                [HARDWARE_DISK_OTHER_MEDIA] = ", with other media",
                [HARDWARE_DISK_OTHER_DEVICE] = ", another disk",
        };

        journal_note(hardware->journal, "plugged in at %s speed%s", usb_speed_to_string(speed),
                     names[disk]);
        hardware->disk = disk;
        hardware->is_plugged = true;
        hardware->speed = speed;
}

void hardware_add_faults(Hardware *hardware, const char *plan) {
        char *error = NULL;
        int r;

        if (!hardware->device)
                return;
        journal_note(hardware->journal, "faults: %s", plan);
        r = simulated_device_add_faults(hardware->device, plan, &error);
        if (r < 0)
                journal_fail(hardware->journal, "the plan of faults is wrong: %s", error);
}

void hardware_heal(Hardware *hardware) {
        if (!hardware->device)
                return;
        journal_note(hardware->journal, "the device is healed");
        simulated_device_clear_faults(hardware->device);
}

bool hardware_is_foreign_untouched(const Hardware *hardware) {
        uint8_t bytes[CHUNK_SIZE], expected[CHUNK_SIZE];

        if (!hardware->plan->has_foreign_disk)
                return true;
        for (unsigned lun = 0; lun < hardware->plan->n_luns; lun++)
                for (uint64_t offset = 0; offset < hardware->plan->size; offset += CHUNK_SIZE) {
                        size_t size = MIN((size_t) (hardware->plan->size - offset), CHUNK_SIZE);
                        ssize_t n = pread(hardware->foreign_fds[lun], bytes, size, (off_t) offset);

                        assert(n == (ssize_t) size);
                        model_fill(FOREIGN_NUMBER, offset, expected, size);
                        if (memcmp(bytes, expected, size) != 0)
                                return false;
                }
        return true;
}

void hardware_read(Hardware *hardware, unsigned lun, uint64_t offset, void *bytes, size_t size) {
        ssize_t n = pread(hardware->fds[lun], bytes, size, (off_t) offset);

        assert(n == (ssize_t) size);
}
