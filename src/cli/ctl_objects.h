#pragma once

/*
 * CtlObjects
 *
 * All objects of the service with all their properties, as they were at one moment: path, interface,
 * property. What has no answer on the bus has none here either: each look-up may return NULL.
 */

#include "cli/ctl.h"

typedef struct CtlObjects {
        json_object *tree; /* owned */
} CtlObjects;

/* Asks the service. */
CtlExit ctl_objects_load(CtlObjects *objects, Ctl *ctl);
void ctl_objects_done(CtlObjects *objects);
/* The properties of one interface of one object. */
json_object *ctl_objects_get(const CtlObjects *objects, const char *path, const char *interface);
/* Paths of the devices, ordered by name. The array is to be freed, the paths belong to `objects`. */
const char **ctl_objects_devices(const CtlObjects *objects, size_t *ret_n);
/* Paths of a device's logical units, by number. */
const char **ctl_objects_luns(const CtlObjects *objects, const char *device, size_t *ret_n);

/* One property; without a value or of another type: NULL, "", 0 or false. */
json_object *ctl_objects_property(json_object *properties, const char *name);
const char *ctl_objects_string(json_object *properties, const char *name);
uint64_t ctl_objects_number(json_object *properties, const char *name);
bool ctl_objects_boolean(json_object *properties, const char *name);
