#pragma once

/*
 * Disturbance
 *
 * What goes wrong in a run, and when: after so many requests, and then a moment later. What is to
 * be made good again (a cable, a bad block) is so after a while.
 */

#include "client.h"

typedef struct Disturbances {
        ClientWorld *world; /* borrowed */
        Hardware *hardware; /* borrowed */
        Client **clients;   /* borrowed array of Plan::n_clients */
        Random random;
        unsigned n_left;
        unsigned next_at; /* when so many requests are left */
        EventTimer timer;
        EventTimer return_timer; /* the cable is plugged in again, the medium put back */
        EventTimer heal_timer;   /* bad blocks are good again */
        HardwareDisk foreign_disk;
        EventTimer foreign_timer; /* the foreign disk is plugged in */
        bool is_due;              /* the timer has fired: for disturbances_manage() */
} Disturbances;

void disturbances_init(Disturbances *disturbances, ClientWorld *world, Hardware *hardware,
                       Client **clients);
void disturbances_done(Disturbances *disturbances);
/* After each turn of the loop, never from within. */
void disturbances_manage(Disturbances *disturbances);
/* No more of them, and all is made good. */
void disturbances_end(Disturbances *disturbances);
