/*
 * LUNs and what happens to them from outside: power, resets, media. Commands are elsewhere.
 */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "simulator/simulated_cdb.h"
#include "simulator/simulated_target.h"

static uint64_t cache_size(const SimulatorSpec *spec) {
        return spec->has_write_cache && !spec->is_read_only ? spec->cache_size : 0;
}

static int lun_init(SimulatedLun *lun, const SimulatorSpec *spec, int fd) {
        uint64_t size = spec->size;

        if (fd >= 0) {
                struct stat status;

                if (fstat(fd, &status) < 0)
                        return -errno;
                size = (uint64_t) status.st_size;
        }
        size = ALIGN_DOWN(size, spec->block_size);
        if (size == 0)
                return -EINVAL;

        int r = simulated_medium_new(&lun->medium, fd, size, cache_size(spec));
        if (r < 0)
                return r;
        lun->n_blocks = size / spec->block_size;
        lun->is_protected = spec->is_read_only;
        lun->is_formatted = spec->is_formatted;
        lun->disc = spec->disc;
        return 0;
}

/* What the host does not fetch is forgotten, the oldest first. */
static void lun_tell(SimulatedLun *lun, SimulatedMediaEvent event) {
        if (lun->n_events == SIMULATED_MEDIA_EVENTS_MAX) {
                lun->n_events--;
                memmove(lun->events, lun->events + 1, lun->n_events * sizeof(lun->events[0]));
        }
        lun->events[lun->n_events++] = event;
}

int simulated_target_init(SimulatedTarget *target, EventLoop *loop, const SimulatorSpec *spec,
                          const int *image_fds, size_t n_image_fds) {
        assert(spec->n_luns >= 1 && spec->n_luns <= SIMULATOR_LUNS_MAX);
        assert(is_power_of_two(spec->block_size));

        target->loop = loop;
        target->spec = *spec;
        random_init(&target->random, spec->seed);

        for (size_t i = 0; i < spec->n_luns; i++) {
                int r = lun_init(&target->luns[i], spec, i < n_image_fds ? image_fds[i] : -EBADF);
                if (r < 0)
                        return r;
                simulated_drive_start(&target->luns[i].drive, target, i);
                target->luns[i].is_present = !(spec->empty_luns & 1U << i);
                target->luns[i].is_slot_empty = !target->luns[i].is_present;
                if (target->luns[i].is_present)
                        lun_tell(&target->luns[i], SIMULATED_MEDIA_EVENT_NEW);
        }

        simulated_target_power_cycle(target);
        for (size_t i = 0; i < spec->n_luns; i++)
                target->luns[i].is_prevented = spec->is_locked;
        target->n_cache_losses = 0;
        return 0;
}

void simulated_target_done(SimulatedTarget *target) {
        for (size_t i = 0; i < SIMULATOR_LUNS_MAX; i++)
                target->luns[i].medium = simulated_medium_free(target->luns[i].medium);
}

void simulated_target_describe(const SimulatedTarget *target, uint8_t lun, const uint8_t *cdb,
                               bool has_data, SimulatorFaultOccasion *ret) {
        *ret = (SimulatorFaultOccasion){
                .nth = target->n_commands + 1,
                .opcode = cdb[0],
                .cdb = cdb,
                .lun = lun,
                .has_data = has_data,
                .over = target->protocol,
        };
        if (!simulated_cdb_get_range(cdb, &ret->lba, &ret->n_blocks))
                ret->n_blocks = 0;
}

void simulated_target_establish_attention(SimulatedTarget *target, size_t lun_index,
                                          SimulatedSense attention) {
        SimulatedLun *lun = &target->luns[lun_index];

        assert(lun_index < target->spec.n_luns);

        for (size_t i = 0; i < lun->n_attentions; i++)
                if (lun->attentions[i].asc == attention.asc &&
                    lun->attentions[i].ascq == attention.ascq)
                        return;
        if (lun->n_attentions == SIMULATED_ATTENTIONS_MAX)
                return; /* SAM-5, 5.14.1 lets a device drop what it has no room for */
        lun->attentions[lun->n_attentions++] = attention;
}

static void lun_lose_cache(SimulatedTarget *target, SimulatedLun *lun) {
        if (simulated_medium_lose_cache(lun->medium))
                target->n_cache_losses++;
}

void simulated_target_lose_cache(SimulatedTarget *target, size_t lun_index) {
        assert(lun_index < target->spec.n_luns);

        lun_lose_cache(target, &target->luns[lun_index]);
}

void simulated_target_reset_lun(SimulatedTarget *target, size_t lun_index) {
        SimulatedLun *lun = &target->luns[lun_index];

        assert(lun_index < target->spec.n_luns);

        lun->sense = (SimulatedSense){ 0 };
        lun->is_prevented = false;
        lun->n_attentions = 0;
        if (lun->ready_at_ns == SIMULATED_NEVER)
                lun->ready_at_ns = 0;
        simulated_target_establish_attention(target, lun_index, SIMULATED_SENSE_RESET);
}

void simulated_target_reset(SimulatedTarget *target, bool loses_cache) {
        for (size_t i = 0; i < target->spec.n_luns; i++) {
                if (loses_cache)
                        lun_lose_cache(target, &target->luns[i]);
                simulated_target_reset_lun(target, i);
        }
}

uint64_t simulated_target_spin_up(SimulatedTarget *target, size_t lun_index) {
        SimulatedLun *lun = &target->luns[lun_index];
        uint64_t duration_ns = target->spec.spin_up_ms * NS_PER_MS;

        if (lun->motion == SIMULATED_MOTION_TURNING)
                return 0;
        lun->motion = SIMULATED_MOTION_TURNING;
        lun->used_at_ns = event_loop_now_ns(target->loop) + duration_ns;
        lun->ready_at_ns = duration_ns > 0 ? lun->used_at_ns : 0;
        target->n_spin_ups++;
        return duration_ns;
}

/* What its cache holds goes to the medium before. */
void simulated_target_rest(SimulatedTarget *target, size_t lun_index) {
        SimulatedLun *lun = &target->luns[lun_index];
        uint64_t patience_ns = target->spec.stop_after_ms * NS_PER_MS;

        if (simulated_drive_get_test(&lun->drive, &(uint8_t){ 0 }) != SIMULATED_TEST_NONE ||
            patience_ns == 0 || lun->motion != SIMULATED_MOTION_TURNING || !lun->is_present ||
            event_loop_now_ns(target->loop) < lun->used_at_ns + patience_ns)
                return;
        if (!lun->is_protected)
                (void) simulated_medium_sync(lun->medium, 0,
                                             simulated_medium_get_size(lun->medium));
        lun->motion = target->spec.starts_by_itself ? SIMULATED_MOTION_STANDBY
                                                    : SIMULATED_MOTION_STOPPED;
}

void simulated_target_set_not_ready(SimulatedTarget *target, uint64_t duration_ms) {
        uint64_t ready_at_ns = duration_ms == 0 ? 0
                                                : event_loop_now_ns(target->loop) +
                                                                  duration_ms * NS_PER_MS;

        for (size_t i = 0; i < target->spec.n_luns; i++)
                target->luns[i].ready_at_ns = ready_at_ns;
}

void simulated_target_power_cycle(SimulatedTarget *target) {
        simulated_target_reset(target, /* loses_cache= */ true);
        simulated_target_set_not_ready(target, target->spec.spin_up_ms);
        for (size_t i = 0; i < target->spec.n_luns; i++) {
                target->luns[i].motion = SIMULATED_MOTION_TURNING;
                target->luns[i].used_at_ns = event_loop_now_ns(target->loop);
                simulated_drive_interrupt(&target->luns[i].drive);
        }
}

static void lun_lose_medium(SimulatedTarget *target, SimulatedLun *lun) {
        if (lun->is_present)
                lun_tell(lun, SIMULATED_MEDIA_EVENT_REMOVAL);
        lun_lose_cache(target, lun);
        lun->is_present = false;
}

void simulated_target_remove_medium(SimulatedTarget *target, size_t lun_index) {
        SimulatedLun *lun = &target->luns[lun_index];

        assert(lun_index < target->spec.n_luns);

        lun_lose_medium(target, lun);
        lun->is_slot_empty = true;
        lun->is_prevented = false;
}

/* What the cache holds goes to the medium as long as it may. */
void simulated_target_set_protected(SimulatedTarget *target, size_t lun_index, bool is_protected) {
        SimulatedLun *lun = &target->luns[lun_index];

        assert(lun_index < target->spec.n_luns);

        if (is_protected)
                (void) simulated_medium_sync(lun->medium, 0,
                                             simulated_medium_get_size(lun->medium));
        lun->is_protected = is_protected;
}

void simulated_target_insert_medium(SimulatedTarget *target, size_t lun_index) {
        SimulatedLun *lun = &target->luns[lun_index];

        assert(lun_index < target->spec.n_luns);

        lun->is_present = true;
        lun->motion = SIMULATED_MOTION_TURNING;
        lun->is_tray_open = false;
        lun->is_slot_empty = false;
        lun_tell(lun, SIMULATED_MEDIA_EVENT_NEW);
        simulated_target_establish_attention(target, lun_index, SIMULATED_SENSE_MEDIUM_CHANGED);
}

void simulated_target_eject(SimulatedTarget *target, size_t lun_index) {
        SimulatedLun *lun = &target->luns[lun_index];

        assert(lun_index < target->spec.n_luns);

        lun_lose_medium(target, lun);
        lun->is_tray_open = target->spec.type == SIMULATOR_TYPE_OPTICAL;
}

void simulated_target_load(SimulatedTarget *target, size_t lun_index) {
        SimulatedLun *lun = &target->luns[lun_index];

        assert(lun_index < target->spec.n_luns);

        lun->is_tray_open = false;
        if (lun->is_slot_empty || lun->is_present)
                return;
        /* What never left a disk's slot is no other medium. */
        if (target->spec.type == SIMULATOR_TYPE_OPTICAL)
                simulated_target_insert_medium(target, lun_index);
        else
                lun->is_present = true;
}

void simulated_target_press_button(SimulatedTarget *target, size_t lun_index) {
        SimulatedLun *lun = &target->luns[lun_index];

        assert(lun_index < target->spec.n_luns);

        if (lun->is_prevented)
                lun_tell(lun, SIMULATED_MEDIA_EVENT_EJECT_REQUEST);
        else if (lun->is_tray_open)
                simulated_target_load(target, lun_index);
        else
                simulated_target_eject(target, lun_index);
}

int simulated_target_change_medium(SimulatedTarget *target, size_t lun_index, uint64_t size) {
        SimulatedLun *lun = &target->luns[lun_index];
        SimulatedMedium *medium;

        assert(lun_index < target->spec.n_luns);

        if (!simulated_medium_is_in_memory(lun->medium))
                return -EBUSY;
        if (size == 0)
                size = simulated_medium_get_size(lun->medium);
        size = ALIGN_DOWN(size, target->spec.block_size);
        if (size == 0)
                return -EINVAL;
        int r = simulated_medium_new(&medium, -EBADF, size, cache_size(&target->spec));
        if (r < 0)
                return r;

        simulated_target_remove_medium(target, lun_index);
        simulated_medium_free(lun->medium);
        lun->medium = medium;
        lun->n_blocks = size / target->spec.block_size;
        lun->is_formatted = true;
        simulated_target_insert_medium(target, lun_index);
        return 0;
}
