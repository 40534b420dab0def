#pragma once

/*
 * PowerManager, its inside
 *
 * What the gate and the tasks that move the device share. Private to power.
 */

#include "power/power_machine.h"
#include "power/power_manager.h"

struct PowerManager {
        ScsiTarget target;
        ErrorHandler *handler; /* borrowed */
        ScsiTarget *next;      /* borrowed: the handler's */
        UsbDevice *device;     /* borrowed */
        PowerOptions options;
        PowerTraits traits;
        PowerStatistics *statistics; /* borrowed */
        const PowerManagerOps *ops;
        void *userdata; /* borrowed */

        PowerPhase phase;
        PowerState state;       /* as it is told */
        uint64_t since_ns;      /* of `state`: until then its time is counted */
        uint64_t idle_since_ns; /* nobody has used it since */
        uint64_t n_wakes_below; /* the error handler's, that are counted as spin-ups */

        size_t n_passed; /* commands below */
        size_t n_users;  /* of these, that count as use */
        unsigned n_holds;

        ListNode waiting;    /* ScsiCommand::node: until it is awake; in order */
        EventTimer deadline; /* the earliest of theirs */
        ListNode completed;  /* ScsiCommand::node: told by `defer` */
        EventDefer defer;
        uint64_t wanted_ns; /* when the first one of a wake came; 0: nobody waits for one */

        EventTimer idle;
        uint64_t retry_ns; /* after a sleep that failed it is left alone until then */
        unsigned n_failures;

        uint16_t luns_present;   /* have a medium */
        uint16_t luns_stoppable; /* START STOP UNIT is for them */
        uint16_t luns_refusing;  /* they told that they don't know it */
        uint16_t luns_stopped;   /* as far as is known */
        bool is_link_asleep;

        Task *task; /* borrowed: moves it; NULL: nobody does */
        PowerState goal;
        bool is_asked;     /* the task is that of who asked; else our own */
        bool was_read;     /* since it began to flush */
        bool was_written;  /* likewise */
        bool wants_medium; /* what waits, or who asks, does */
};

/* The one place where the phase changes. */
void power_manager_move(PowerManager *power, PowerEvent event);
/* The task has ended: what waits goes on, or wakes the device. */
void power_manager_settle(PowerManager *power);
/* Whether somebody waits for it to be awake, and whether with its media. */
bool power_manager_is_wanted(const PowerManager *power);
bool power_manager_wants_medium(const PowerManager *power);
/* What it has learned. */
void power_manager_learn(PowerManager *power, bool no_standby, bool no_suspend);
