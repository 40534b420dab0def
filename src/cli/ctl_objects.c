/* GetManagedObjects, and looking around in its answer. */

#include <string.h>

#include "cli/ctl_call.h"
#include "cli/ctl_objects.h"
#include "cli/ctl_text.h"

CtlExit ctl_objects_load(CtlObjects *objects, Ctl *ctl) {
        return ctl_call_get(ctl, CTL_PATH, "org.freedesktop.DBus.ObjectManager",
                            "GetManagedObjects", "a{oa{sa{sv}}}", &objects->tree);
}

void ctl_objects_done(CtlObjects *objects) {
        json_object_put(objects->tree);
        objects->tree = NULL;
}

json_object *ctl_objects_property(json_object *properties, const char *name) {
        return json_object_object_get(properties, name);
}

const char *ctl_objects_string(json_object *properties, const char *name) {
        json_object *value = ctl_objects_property(properties, name);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

uint64_t ctl_objects_number(json_object *properties, const char *name) {
        json_object *value = ctl_objects_property(properties, name);

        return json_object_is_type(value, json_type_int) ? json_object_get_uint64(value) : 0;
}

bool ctl_objects_boolean(json_object *properties, const char *name) {
        json_object *value = ctl_objects_property(properties, name);

        return json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value);
}

json_object *ctl_objects_get(const CtlObjects *objects, const char *path, const char *interface) {
        return json_object_object_get(json_object_object_get(objects->tree, path), interface);
}

typedef struct NamedPath {
        const char *path;
        const char *name;
        uint64_t number;
} NamedPath;

static int compare_paths(const void *a, const void *b) {
        const NamedPath *x = a, *y = b;

        if (x->number != y->number)
                return x->number < y->number ? -1 : 1;
        return strverscmp(x->name, y->name);
}

/* Sorts, and keeps the paths alone. */
static const char **sort_paths(NamedPath *found, size_t n) {
        const char **paths = calloc(n + 1, sizeof(*paths));

        if (!paths)
                ctl_text_no_memory();
        qsort(found, n, sizeof(*found), compare_paths);
        for (size_t i = 0; i < n; i++)
                paths[i] = found[i].path;
        return paths;
}

static NamedPath *new_found(const CtlObjects *objects) {
        NamedPath *found = calloc((size_t) json_object_object_length(objects->tree) + 1,
                                  sizeof(*found));

        if (!found)
                ctl_text_no_memory();
        return found;
}

const char **ctl_objects_devices(const CtlObjects *objects, size_t *ret_n) {
        _cleanup_(freep) NamedPath *found = new_found(objects);
        size_t n = 0;

        json_object_object_foreach(objects->tree, path, interfaces) {
                json_object *device = json_object_object_get(interfaces, CTL_DEVICE);

                if (device)
                        found[n++] = (NamedPath){ path, ctl_objects_string(device, "Name"), 0 };
        }
        *ret_n = n;
        return sort_paths(found, n);
}

const char **ctl_objects_luns(const CtlObjects *objects, const char *device, size_t *ret_n) {
        _cleanup_(freep) NamedPath *found = new_found(objects);
        size_t n = 0;

        json_object_object_foreach(objects->tree, path, interfaces) {
                json_object *lun = json_object_object_get(interfaces, CTL_LUN);

                if (lun && strcmp(ctl_objects_string(lun, "Device"), device) == 0)
                        found[n++] = (NamedPath){ path, "", ctl_objects_number(lun, "Number") };
        }
        *ret_n = n;
        return sort_paths(found, n);
}
