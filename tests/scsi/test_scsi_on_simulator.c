/*
 * Bring-up over Bulk-Only Transport on the simulated device, which is written from the
 * specifications and knows nothing of this side: what it was told to be is what bring-up learns.
 */

#include <stdio.h>
#include <string.h>

#include "base/virtual_event_loop.h"
#include "scsi/scsi_bring_up.h"
#include "scsi/scsi_processor.h"
#include "simulator/simulated_device.h"
#include "transport/bot_transport.h"
#include "unit_test.h"

#define HOUR_NS (3600 * NS_PER_S)

typedef struct SimulatedRun {
        EventLoop *loop;
        UsbDevice *device;
        Transport *transport;
        ScsiProcessor *processor;
        int max_lun;
        ScsiBringUpResult results[16];
        ScsiDisk disks[16];
        bool is_done;
} SimulatedRun;

static int run_main(Task *task, void *userdata) {
        SimulatedRun *run = userdata;
        ScsiTarget *target = scsi_processor_get_target(run->processor);

        if (transport_start(run->transport, task) < 0)
                return -1;
        run->max_lun = transport_get_max_lun(run->transport, task);
        for (int i = 0; i <= run->max_lun; i++)
                run->results[i] = scsi_bring_up(task, target, (uint8_t) i, /* options= */ NULL,
                                                &run->disks[i]);
        return 0;
}

static void run_done(Task *task, int result, void *userdata) {
        SimulatedRun *run = userdata;

        ck_assert_int_eq(result, 0);
        run->is_done = true;
}

static void make_device(SimulatedRun *run, const char *text) {
        static SimulatorSpec spec;
        UsbStorageDevice storage_device;
        char *error = NULL;

        ck_assert_int_eq(virtual_event_loop_new(&run->loop), 0);
        ck_assert_msg(simulator_spec_parse(&spec, text, &error) == 0, "%s", error);
        ck_assert_int_eq(simulated_device_new(&run->device, run->loop, &spec, NULL, 0), 0);
        ck_assert_int_eq(usb_storage_device_init(&storage_device,
                                                 usb_device_get_descriptors(run->device),
                                                 usb_device_get_speed(run->device),
                                                 1U << USB_STORAGE_PROTOCOL_BOT),
                         0);
        ck_assert_int_eq(bot_transport_new(&run->transport, run->device, &storage_device,
                                           &(BotOptions){ 0 }),
                         0);
        ck_assert_int_eq(scsi_processor_new(&run->processor, run->transport, NULL), 0);
}

static void bring_up(SimulatedRun *run, const char *text) {
        *run = (SimulatedRun){ 0 };
        make_device(run, text);
        ck_assert_int_eq(task_start(NULL, run->loop, "bring-up", run_main, run_done, run), 0);
        ck_assert_int_ge(virtual_event_loop_run_until(run->loop, HOUR_NS), 0);
        ck_assert(run->is_done);
}

static void tear_down(SimulatedRun *run) {
        scsi_processor_free(run->processor);
        transport_free(run->transport);
        usb_device_free(run->device);
        ck_assert_int_ge(virtual_event_loop_run_until(run->loop, HOUR_NS), 0);
        event_loop_free(run->loop);
}

typedef struct SimulatedCase {
        const char *spec;
        uint64_t n_blocks;
        uint32_t block_size;
        uint32_t physical_block_size;
        bool is_removable;
        bool is_read_only;
        bool has_write_cache;
        bool is_rotational;
        bool can_unmap;
        int max_lun;
} SimulatedCase;

static const SimulatedCase simulated_cases[] = {
        { "size=64M", 131072, 512, 512, .has_write_cache = true, .can_unmap = true },
        { "size=64M,removable,read-only,write-cache=no,unmap=no", 131072, 512, 512,
          .is_removable = true, .is_read_only = true },
        { "size=64M,block-size=4096", 16384, 4096, 4096, .has_write_cache = true,
          .can_unmap = true },
        { "size=64M,physical-block-size=4096,rotation=5400,unmap=no,spin-up-ms=7000", 131072, 512,
          4096, .has_write_cache = true, .is_rotational = true },
        { "size=3T", UINT64_C(6442450944), 512, 512, .has_write_cache = true, .can_unmap = true },
        { "size=16M,luns=4,speed=high", 32768, 512, 512, .has_write_cache = true, .can_unmap = true,
          .max_lun = 3 },
        { "size=16M,speed=full,unmap=no", 32768, 512, 512, .has_write_cache = true },
};

START_TEST(the_simulated_device_is_told_for_what_it_is) {
        const SimulatedCase *c = &simulated_cases[_i];
        SimulatedRun run;

        bring_up(&run, c->spec);
        ck_assert_int_eq(run.max_lun, c->max_lun);
        for (int i = 0; i <= run.max_lun; i++) {
                const ScsiDisk *disk = &run.disks[i];

                ck_assert_msg(run.results[i] == SCSI_BRING_UP_RESULT_READY, "%s: %s", c->spec,
                              scsi_bring_up_result_to_string(run.results[i]));
                ck_assert_str_eq(disk->vendor, "ORION");
                ck_assert_str_eq(disk->product, "SIMULATED DISK");
                ck_assert_uint_gt(strlen(disk->serial), 0);
                ck_assert_uint_gt(strlen(disk->identifier), 0);
                ck_assert_uint_eq(disk->lun, (unsigned) i);
                ck_assert_uint_eq(disk->n_blocks, c->n_blocks);
                ck_assert_uint_eq(disk->block_size, c->block_size);
                ck_assert_uint_eq(disk->physical_block_size, c->physical_block_size);
                ck_assert_int_eq(disk->is_removable, c->is_removable);
                ck_assert_int_eq(disk->is_read_only, c->is_read_only);
                ck_assert_int_eq(disk->has_write_cache, c->has_write_cache);
                ck_assert_int_eq(disk->is_rotational, c->is_rotational);
                ck_assert(disk->is_rotation_known);
                ck_assert_int_eq(disk->can_unmap, c->can_unmap);
                ck_assert_int_eq(disk->can_get_lba_status, c->can_unmap);
        }
        tear_down(&run);
}
END_TEST

START_TEST(units_of_one_device_have_names_of_their_own) {
        SimulatedRun run;

        bring_up(&run, "size=16M,luns=2");
        ck_assert_str_ne(run.disks[0].identifier, run.disks[1].identifier);
        tear_down(&run);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("scsi_on_simulator");
        TCase *tcase = tcase_create("scsi_on_simulator");

        tcase_add_loop_test(tcase, the_simulated_device_is_told_for_what_it_is, 0,
                            N_ELEMENTS(simulated_cases));
        tcase_add_test(tcase, units_of_one_device_have_names_of_their_own);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
