/* What callers on the bus see of our errors. */

#include <errno.h>

#include "dbus/bus_error.h"
#include "unit_test.h"

static const struct {
        int error;
        const char *name;
} cases[] = {
        { -ECANCELED, "org.orion.UsbStorage1.Error.Cancelled" },
        { -EACCES, "org.orion.UsbStorage1.Error.NotAuthorized" },
        { -ENOKEY, "org.orion.UsbStorage1.Error.NotAuthorizedCanObtain" },
        { -EOPNOTSUPP, "org.orion.UsbStorage1.Error.NotSupported" },
        { -ETIMEDOUT, "org.orion.UsbStorage1.Error.Timedout" },
        { -EBUSY, "org.orion.UsbStorage1.Error.DeviceBusy" },
        { -ENODEV, "org.orion.UsbStorage1.Error.NotFound" },
        { -ENOENT, "org.orion.UsbStorage1.Error.NotFound" },
        { -EINVAL, "org.orion.UsbStorage1.Error.InvalidArgument" },
        { -EHOSTDOWN, "org.orion.UsbStorage1.Error.WouldWakeup" },
        { -EIO, "org.orion.UsbStorage1.Error.Failed" },
        { -ENOMEM, "org.orion.UsbStorage1.Error.Failed" },
};

START_TEST(error_has_a_name) { ck_assert_str_eq(bus_error_name(cases[_i].error), cases[_i].name); }
END_TEST

START_TEST(handler_returns_the_error_and_its_words) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        ck_assert_int_eq(bus_error_set(&error, -EBUSY, "%s is %s", "sim0", "in use"), -EBUSY);
        ck_assert_str_eq(error.name, BUS_ERROR_DEVICE_BUSY);
        ck_assert_str_eq(error.message, "sim0 is in use");
        sd_bus_error_free(&error);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus_error");
        TCase *tcase = tcase_create("bus_error");

        tcase_add_loop_test(tcase, error_has_a_name, 0, (int) N_ELEMENTS(cases));
        tcase_add_test(tcase, handler_returns_the_error_and_its_words);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
