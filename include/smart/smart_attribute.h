#pragma once

/*
 * SmartAttribute, its name
 *
 * What an ATA drive's attribute is called. Its number alone is a drive's; the names are customary, and
 * some makers mean something else by a number.
 */

#include "smart/smart_data.h"

#define SMART_ATTRIBUTE_SECTORS_REPLACED 5
#define SMART_ATTRIBUTE_POWER_ON 9
#define SMART_ATTRIBUTE_POWER_CYCLES 12
#define SMART_ATTRIBUTE_TEMPERATURE 194
#define SMART_ATTRIBUTE_SECTORS_PENDING 197
#define SMART_ATTRIBUTE_SECTORS_UNCORRECTABLE 198
#define SMART_ATTRIBUTE_CRC_ERRORS 199 /* between the drive and its bridge */

/* As smartctl writes them: "Reallocated_Sector_Ct"; "Unknown_Attribute" for the rest. */
const char *smart_attribute_get_name(uint8_t id);
/* "good", "failing-now", "failed-before", "unknown" */
const char *smart_attribute_state_to_string(SmartAttributeState state);
