/* What of the libusb side needs no device: its life on a loop, its failures, its helper thread. */

#include <check.h>
#include <errno.h>
#include <fcntl.h>

#include "base/systemd_event_loop.h"
#include "usb/libusb_helper.h"
#include "usb/libusb_library.h"

static EventLoop *loop;
static size_t n_jobs_done;

static void set_up(void) { ck_assert_int_eq(systemd_event_loop_new(&loop), 0); }

static void tear_down(void) { loop = event_loop_free(loop); }

START_TEST(library_watches_and_leaves_the_loop_clean) {
        for (size_t i = 0; i < 3; i++) {
                LibusbLibrary *library;

                ck_assert_int_eq(libusb_library_new(&library, loop), 0);
                ck_assert(!list_is_empty(&loop->fds));
                ck_assert_int_ge(event_loop_run_once(loop, /* may_wait= */ false), 0);
                libusb_library_free(library);
                ck_assert(list_is_empty(&loop->fds));
        }
}
END_TEST

START_TEST(descriptor_of_no_device_is_refused) {
        LibusbDeviceOptions options = { .name = "nothing" };
        LibusbLibrary *library;
        UsbDevice *device = NULL;
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(libusb_library_new(&library, loop), 0);
        ck_assert_int_lt(libusb_device_new(&device, library, fd, &options), 0);
        ck_assert_ptr_null(device);
        ck_assert_int_lt(libusb_device_new(&device, library, -1, &options), 0);
        libusb_library_free(library);
        fd_close(fd);
}
END_TEST

static void on_job_done(LibusbHelper *helper, const LibusbJob *job) {
        ck_assert_int_eq(job->type, USB_OPERATION_SUSPEND);
        ck_assert_int_eq(job->result, USB_RESULT_ERROR);
        n_jobs_done++;
}

START_TEST(helper_posts_the_end_of_each_job) {
        UsbOperation suspend = { .type = USB_OPERATION_SUSPEND };
        LibusbHelper helper;
        LibusbJob job;

        n_jobs_done = 0;
        ck_assert_int_eq(libusb_helper_init(&helper, loop, on_job_done), 0);
        for (size_t i = 0; i < 100; i++) {
                /* No descriptor: the ioctl fails. */
                libusb_job_init(&job, /* handle= */ NULL, /* usbfs_fd= */ -1, &suspend);
                libusb_helper_post(&helper, &job);
                ck_assert_uint_eq(n_jobs_done, i);
                while (n_jobs_done == i)
                        ck_assert_int_ge(event_loop_run_once(loop, /* may_wait= */ true), 0);
        }
        libusb_helper_done(&helper);
}
END_TEST

START_TEST(helper_ends_whether_or_not_it_ever_worked) {
        LibusbHelper helper = { 0 };

        libusb_helper_done(&helper);
        ck_assert_int_eq(libusb_helper_init(&helper, loop, on_job_done), 0);
        libusb_helper_done(&helper);
        libusb_helper_done(&helper);
}
END_TEST

START_TEST(each_error_of_libusb_has_an_errno) {
        ck_assert_int_eq(libusb_library_error_to_errno(LIBUSB_SUCCESS), 0);
        ck_assert_int_eq(libusb_library_error_to_errno(LIBUSB_ERROR_NO_DEVICE), -ENODEV);
        ck_assert_int_eq(libusb_library_error_to_errno(LIBUSB_ERROR_NO_MEM), -ENOMEM);
        for (int error = LIBUSB_ERROR_OTHER; error < 0; error++)
                ck_assert_int_lt(libusb_library_error_to_errno(error), 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("libusb_device");
        TCase *tests = tcase_create("libusb_device");
        SRunner *runner = srunner_create(suite);
        int n_failed;

        suite_add_tcase(suite, tests);
        tcase_add_checked_fixture(tests, set_up, tear_down);
        tcase_add_test(tests, library_watches_and_leaves_the_loop_clean);
        tcase_add_test(tests, descriptor_of_no_device_is_refused);
        tcase_add_test(tests, helper_posts_the_end_of_each_job);
        tcase_add_test(tests, helper_ends_whether_or_not_it_ever_worked);
        tcase_add_test(tests, each_error_of_libusb_has_an_errno);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
