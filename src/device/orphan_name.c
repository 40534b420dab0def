/* Pure text: see orphan_name.h. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control/control_message.h"
#include "device/export_name.h"
#include "device/orphan_name.h"

static_assert(ORPHAN_BASE_NAME_SIZE_MAX >= EXPORT_NAME_SIZE_MAX, "each device's name must fit");

void orphan_name_format(const OrphanName *name, char *ret) {
        snprintf(ret, ORPHAN_NAME_SIZE_MAX, "%s-lun%u.%u.orphan", name->base_name, name->lun,
                 name->number);
}

int orphan_name_parse(OrphanName *ret, const char *text) {
        char again[ORPHAN_NAME_SIZE_MAX];
        const char *mark = NULL;
        OrphanName name = {};

        /* The last one: a serial number may have it too. */
        for (const char *p = strstr(text, "-lun"); p; p = strstr(p + 1, "-lun"))
                mark = p;
        if (!mark || mark == text || (size_t) (mark - text) >= sizeof(name.base_name))
                return -EINVAL;
        memcpy(name.base_name, text, (size_t) (mark - text));
        if (sscanf(mark, "-lun%u.%u.orphan", &name.lun, &name.number) != 2)
                return -EINVAL;
        if (name.lun >= CONTROL_LUNS_MAX || name.number == 0)
                return -EINVAL;

        /* Leading zeros, signs, what follows: anything that was not written by us. */
        orphan_name_format(&name, again);
        if (strcmp(again, text) != 0)
                return -EINVAL;
        *ret = name;
        return 0;
}
