#pragma once

/* SimulatorDriveKeys: the keys of a SimulatorSpec that describe its drives. */

#include "simulator/simulator_drive.h"
#include "simulator/simulator_text.h"

typedef struct SimulatorDriveKey {
        const char *name;
        const char *allowed;
        bool (*take)(SimulatorDrive *drive, SimulatorText value);
} SimulatorDriveKey;

/* In the order in which they are told to who asks; ends with an empty one. */
extern const SimulatorDriveKey simulator_drive_keys[];
/* NULL: there is no such key. */
const SimulatorDriveKey *simulator_drive_keys_find(SimulatorText name);
/* "attribute-5": the key stands for many. False: it is none of them, or its value is wrong. */
bool simulator_drive_keys_take_attribute(SimulatorDrive *drive, SimulatorText name,
                                         SimulatorText value);
bool simulator_drive_keys_is_attribute(SimulatorText name);
