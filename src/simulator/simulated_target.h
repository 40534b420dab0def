#pragma once

/*
 * SimulatedTarget
 *
 * The SCSI side of a simulated device: its LUNs, what they still have to say, and the plan of what
 * goes wrong. Transports reach it by SimulatedCommand.
 */

#include "base/event_loop.h"
#include "base/random.h"
#include "simulator/simulated_drive.h"
#include "simulator/simulated_medium.h"
#include "simulator/simulated_sense.h"
#include "simulator/simulator_spec.h"

#define SIMULATED_ATTENTIONS_MAX 4
#define SIMULATED_MEDIA_EVENTS_MAX 4
#define SIMULATED_NEVER UINT64_MAX

/* MMC-6, "Media class events". */
typedef enum SimulatedMediaEvent {
        SIMULATED_MEDIA_EVENT_NONE,
        SIMULATED_MEDIA_EVENT_EJECT_REQUEST,
        SIMULATED_MEDIA_EVENT_NEW,
        SIMULATED_MEDIA_EVENT_REMOVAL,
} SimulatedMediaEvent;

/* SBC-3, 4.20. */
typedef enum SimulatedMotion {
        SIMULATED_MOTION_TURNING,
        SIMULATED_MOTION_STANDBY, /* it turns again by itself for a command that needs the medium */
        SIMULATED_MOTION_STOPPED, /* it does so for START STOP UNIT alone */
} SimulatedMotion;

typedef struct SimulatedLun {
        SimulatedMedium *medium; /* owned */
        SimulatedDrive drive;
        uint64_t n_blocks;
        bool is_present; /* the medium is in */
        bool is_formatted;
        SimulatorDisc disc;                                     /* what the medium of a drive is */
        bool is_tray_open;                                      /* of an optical drive */
        bool is_slot_empty;                                     /* there is nothing to be loaded */
        SimulatedMediaEvent events[SIMULATED_MEDIA_EVENTS_MAX]; /* oldest first */
        size_t n_events;
        SimulatedMotion motion;
        uint64_t used_at_ns;  /* by a command that needed the medium */
        bool is_protected;    /* against being written */
        bool is_prevented;    /* from being removed */
        uint64_t ready_at_ns; /* 0: ready; SIMULATED_NEVER */
        SimulatedSense sense; /* for the next REQUEST SENSE */
        SimulatedSense attentions[SIMULATED_ATTENTIONS_MAX]; /* oldest first */
        size_t n_attentions;
} SimulatedLun;

typedef struct SimulatedTarget {
        EventLoop *loop; /* borrowed */
        SimulatorSpec spec;
        Random random;
        SimulatedLun luns[SIMULATOR_LUNS_MAX];
        SimulatorProtocol protocol; /* how the host drives it */
        uint64_t n_commands;
        uint64_t n_commands_by_opcode[256];
        uint64_t n_cache_losses;
        uint64_t n_spin_ups;
} SimulatedTarget;

/* Zeroed before; harmless to undo in any state. Errors as simulated_device_new(). */
int simulated_target_init(SimulatedTarget *target, EventLoop *loop, const SimulatorSpec *spec,
                          const int *image_fds, size_t n_image_fds);
void simulated_target_done(SimulatedTarget *target);

/* Of the occasion that the next command will be. */
void simulated_target_describe(const SimulatedTarget *target, uint8_t lun, const uint8_t *cdb,
                               bool has_data, SimulatorFaultOccasion *ret);

/* SAM-5, 5.14: told once, by the first command that may. What is pending already is not added. */
void simulated_target_establish_attention(SimulatedTarget *target, size_t lun,
                                          SimulatedSense attention);
/* A hard reset: commands and conditions are forgotten, 29/00 is established. */
void simulated_target_reset(SimulatedTarget *target, bool loses_cache);
/* LOGICAL UNIT RESET (SAM-5, 6.3.3): the same for one LUN; what was written is kept. */
void simulated_target_reset_lun(SimulatedTarget *target, size_t lun);
/* The same, and it has to spin up again. */
void simulated_target_power_cycle(SimulatedTarget *target);
/* What was not synchronised is gone. */
void simulated_target_lose_cache(SimulatedTarget *target, size_t lun);
/* It begins to turn, and is ready after its time to spin up, which is returned. */
uint64_t simulated_target_spin_up(SimulatedTarget *target, size_t lun);
/* One that is left alone for so long may stop by itself: asked before each command. */
void simulated_target_rest(SimulatedTarget *target, size_t lun);
void simulated_target_set_not_ready(SimulatedTarget *target, uint64_t duration_ms);
void simulated_target_remove_medium(SimulatedTarget *target, size_t lun);
/* The switch on the medium or on the device. */
void simulated_target_set_protected(SimulatedTarget *target, size_t lun, bool is_protected);
void simulated_target_insert_medium(SimulatedTarget *target, size_t lun);
/* START STOP UNIT with LOEJ: the medium goes out, or comes back in if somebody left it there. */
void simulated_target_eject(SimulatedTarget *target, size_t lun);
void simulated_target_load(SimulatedTarget *target, size_t lun);
/* The button of an optical drive: opens or closes the tray, or asks for it if that is prevented. */
void simulated_target_press_button(SimulatedTarget *target, size_t lun);
int simulated_target_change_medium(SimulatedTarget *target, size_t lun, uint64_t size);
