/* What DEV may be: a table over the same few objects. */

#include <string.h>

#include "cli/ctl_target.h"

#include "../base/unit_test.h"

#define DEVICE(path, name, serial)                                         \
        "\"" path "\":{\"org.orion.UsbStorage1.Device\":{\"Name\":\"" name \
        "\",\"Serial\":\"" serial "\"}}"
#define LUN(device, number, serial, export)                                                  \
        "\"" device "/lun" #number "\":{\"org.orion.UsbStorage1.Lun\":{\"Device\":\"" device \
        "\",\"Number\":" #number ",\"Serial\":\"" serial "\",\"Export\":\"" export "\"}}"

/* c: a clone of b; e: no units. A serial number may look like a unit ("S.1"). */
static const char *const tree = "{" DEVICE("/a", "1-4", "AAA") "," LUN("/a", 0, "AAA", "a-lun0") "," DEVICE("/b", "2-1.3", "CLONE") "," LUN(
                "/b", 0, "",
                "b-lun0") "," LUN("/b", 1, "UNIT",
                                  "b-lun1") "," DEVICE("/c", "2-1.4",
                                                       "CLONE") "," LUN("/c", 0, "",
                                                                        "") "," DEVICE("/d", "sim0",
                                                                                       "S.1") "," LUN("/d",
                                                                                                      0,
                                                                                                      "",
                                                                                                      "d-lun0") "," DEVICE("/e",
                                                                                                                           "5-5",
                                                                                                                           "") "}";

typedef struct Case {
        const char *text;
        CtlTargetKind kind;
        CtlTargetResult result;
        const char *device;
        const char *lun;
        const char *name;
} Case;

static const Case cases[] = {
        { "1-4", CTL_TARGET_ANY, CTL_TARGET_RESULT_FOUND, "/a", NULL, "1-4" },
        { "1-4", CTL_TARGET_DEVICE, CTL_TARGET_RESULT_FOUND, "/a", NULL, "1-4" },
        { "1-4", CTL_TARGET_LUN, CTL_TARGET_RESULT_FOUND, "/a", "/a/lun0", "1-4.0" },
        { "1-4.0", CTL_TARGET_LUN, CTL_TARGET_RESULT_FOUND, "/a", "/a/lun0", "1-4.0" },
        { "1-4:0", CTL_TARGET_LUN, CTL_TARGET_RESULT_FOUND, "/a", "/a/lun0", "1-4.0" },
        { "1-4.0", CTL_TARGET_DEVICE, CTL_TARGET_RESULT_NOT_A_DEVICE },
        { "1-4.1", CTL_TARGET_ANY, CTL_TARGET_RESULT_NONE },
        { "2-1.3", CTL_TARGET_ANY, CTL_TARGET_RESULT_FOUND, "/b", NULL, "2-1.3" },
        { "2-1.3", CTL_TARGET_LUN, CTL_TARGET_RESULT_SEVERAL_LUNS },
        { "2-1.3.1", CTL_TARGET_LUN, CTL_TARGET_RESULT_FOUND, "/b", "/b/lun1", "2-1.3.1" },
        { "2-1.3:1", CTL_TARGET_ANY, CTL_TARGET_RESULT_FOUND, "/b", "/b/lun1", "2-1.3.1" },
        { "2-1.3.2", CTL_TARGET_ANY, CTL_TARGET_RESULT_NONE },
        { "2-1", CTL_TARGET_ANY, CTL_TARGET_RESULT_NONE },
        { "AAA", CTL_TARGET_ANY, CTL_TARGET_RESULT_FOUND, "/a", NULL, "1-4" },
        { "AAA", CTL_TARGET_DEVICE, CTL_TARGET_RESULT_FOUND, "/a", NULL, "1-4" },
        { "AAA.0", CTL_TARGET_LUN, CTL_TARGET_RESULT_FOUND, "/a", "/a/lun0", "1-4.0" },
        { "CLONE", CTL_TARGET_ANY, CTL_TARGET_RESULT_AMBIGUOUS },
        { "CLONE.0", CTL_TARGET_ANY, CTL_TARGET_RESULT_AMBIGUOUS },
        { "CLONE.1", CTL_TARGET_ANY, CTL_TARGET_RESULT_FOUND, "/b", "/b/lun1", "2-1.3.1" },
        { "UNIT", CTL_TARGET_ANY, CTL_TARGET_RESULT_FOUND, "/b", "/b/lun1", "2-1.3.1" },
        { "b-lun0", CTL_TARGET_ANY, CTL_TARGET_RESULT_FOUND, "/b", "/b/lun0", "2-1.3.0" },
        { "b-lun0", CTL_TARGET_DEVICE, CTL_TARGET_RESULT_NOT_A_DEVICE },
        { "S.1", CTL_TARGET_ANY, CTL_TARGET_RESULT_FOUND, "/d", NULL, "sim0" },
        { "S.1.0", CTL_TARGET_ANY, CTL_TARGET_RESULT_FOUND, "/d", "/d/lun0", "sim0.0" },
        { "5-5", CTL_TARGET_DEVICE, CTL_TARGET_RESULT_FOUND, "/e", NULL, "5-5" },
        { "5-5", CTL_TARGET_LUN, CTL_TARGET_RESULT_NO_LUN },
        { "", CTL_TARGET_ANY, CTL_TARGET_RESULT_NONE },
        { ".0", CTL_TARGET_ANY, CTL_TARGET_RESULT_NONE },
        { "1-4.", CTL_TARGET_ANY, CTL_TARGET_RESULT_NONE },
        { "1-4.256", CTL_TARGET_ANY, CTL_TARGET_RESULT_NONE },
};

START_TEST(a_name_is_what_it_fits_best) {
        const Case *c = &cases[_i];
        CtlObjects objects = { .tree = json_tokener_parse(tree) };
        CtlTarget target = {};

        ck_assert_ptr_nonnull(objects.tree);
        ck_assert_msg(ctl_target_find(&target, &objects, c->text, c->kind) == c->result, "%s",
                      c->text);
        if (c->result == CTL_TARGET_RESULT_FOUND) {
                _cleanup_(freep) char *name = ctl_target_name(&target);

                ck_assert_str_eq(target.device, c->device);
                ck_assert_pstr_eq(target.lun, c->lun);
                ck_assert_str_eq(name, c->name);
        }
        ctl_objects_done(&objects);
}
END_TEST

START_TEST(devices_are_ordered_by_name_and_units_by_number) {
        CtlObjects objects = {
                .tree = json_tokener_parse(
                                "{" DEVICE("/x", "1-10", "") "," DEVICE("/y", "1-2", "") "," LUN(
                                                "/x", 10, "", "") "," LUN("/x", 9, "", "") "}"),
        };
        _cleanup_(freep) const char **devices = NULL, **luns = NULL;
        size_t n;

        devices = ctl_objects_devices(&objects, &n);
        ck_assert_uint_eq(n, 2);
        ck_assert_str_eq(devices[0], "/y");
        luns = ctl_objects_luns(&objects, "/x", &n);
        ck_assert_uint_eq(n, 2);
        ck_assert_str_eq(luns[0], "/x/lun9");
        ctl_objects_done(&objects);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                devices_are_ordered_by_name_and_units_by_number,
                NULL,
        };
        Suite *suite = suite_of("ctl_target", tests);
        TCase *names = tcase_create("names");

        tcase_add_loop_test(names, a_name_is_what_it_fits_best, 0, N_ELEMENTS(cases));
        suite_add_tcase(suite, names);
        return run_suite(suite);
}
