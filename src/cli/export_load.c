/* A slot for each request; a slot that has completed is sent off again. */

#include <errno.h>

#include "base/random.h"
#include "cli/ctl_interrupt.h"
#include "cli/ctl_progress.h"
#include "cli/ctl_text.h"
#include "cli/export_load.h"

#define LOOK_MS 200

typedef struct LoadSlot {
        uint8_t *bytes; /* owned */
        uint64_t start_ns;
        uint64_t end_ns; /* 0: in flight */
        int error;
        bool is_busy;
} LoadSlot;

typedef struct ExportLoad {
        const ExportLoadParameters *parameters;
        ExportLoadResult *result;
        LoadSlot slots[EXPORT_LOAD_DEPTH_MAX];
        Random random;
        uint64_t next; /* block */
        unsigned n_in_flight;
        int r;
} ExportLoad;

static void export_load_done(ExportLoad *load) {
        for (size_t i = 0; i < EXPORT_LOAD_DEPTH_MAX; i++)
                free(load->slots[i].bytes);
}

static int on_complete(void *userdata, int *error) {
        LoadSlot *slot = userdata;

        slot->error = *error;
        slot->end_ns = ctl_progress_now();
        return 1; /* nobody asks for it afterwards */
}

static uint64_t next_offset(ExportLoad *load) {
        uint64_t n_blocks = load->parameters->size / load->parameters->block_size;

        if (load->parameters->is_random)
                return random_below(&load->random, n_blocks) * load->parameters->block_size;
        return load->next++ % n_blocks * load->parameters->block_size;
}

static void start(ExportLoad *load, LoadSlot *slot) {
        const ExportLoadParameters *p = load->parameters;
        const nbd_completion_callback callback = { .callback = on_complete, .user_data = slot };
        uint64_t offset = next_offset(load);
        int64_t cookie;

        slot->start_ns = ctl_progress_now();
        slot->end_ns = 0;
        cookie = p->is_write ? nbd_aio_pwrite(p->nbd, slot->bytes, p->block_size, offset, callback,
                                              0)
                             : nbd_aio_pread(p->nbd, slot->bytes, p->block_size, offset, callback,
                                             0);
        if (cookie < 0) {
                load->r = nbd_get_errno() > 0 ? -nbd_get_errno() : -EIO;
                return;
        }
        slot->is_busy = true;
        load->n_in_flight++;
}

static void collect(ExportLoad *load) {
        for (unsigned i = 0; i < load->parameters->depth; i++) {
                LoadSlot *slot = &load->slots[i];

                if (!slot->is_busy || slot->end_ns == 0)
                        continue;
                slot->is_busy = false;
                load->n_in_flight--;
                if (slot->error != 0)
                        load->result->n_errors++;
                else
                        histogram_record(&load->result->latencies, slot->end_ns - slot->start_ns);
        }
}

static void run(ExportLoad *load) {
        const ExportLoadParameters *p = load->parameters;
        uint64_t start_ns = ctl_progress_now(), now_ns = start_ns;

        do {
                if (load->r == 0 && ctl_interrupt_wait(p->interrupt, 0)) {
                        ctl_interrupt_let_next(p->interrupt);
                        load->r = -EINTR;
                }
                for (unsigned i = 0; i < p->depth; i++)
                        if (load->r == 0 && !load->slots[i].is_busy &&
                            now_ns - start_ns < p->duration_ns)
                                start(load, &load->slots[i]);
                /* When the connection ends, libnbd completes all that is in flight. */
                if (load->n_in_flight > 0 && nbd_poll(p->nbd, LOOK_MS) < 0 && load->r == 0)
                        load->r = nbd_get_errno() > 0 ? -nbd_get_errno() : -EIO;
                collect(load);
                now_ns = ctl_progress_now();
        } while (load->n_in_flight > 0 || (load->r == 0 && now_ns - start_ns < p->duration_ns));
        load->result->duration_ns = now_ns - start_ns;
}

int export_load_run(const ExportLoadParameters *parameters, ExportLoadResult *result) {
        _cleanup_(export_load_done) ExportLoad load = {
                .parameters = parameters,
                .result = result,
        };

        assert(parameters->depth > 0 && parameters->depth <= EXPORT_LOAD_DEPTH_MAX);
        assert(parameters->block_size > 0 && parameters->size >= parameters->block_size);

        *result = (ExportLoadResult){};
        histogram_init(&result->latencies);
        random_init(&load.random, random_system_seed());
        for (unsigned i = 0; i < parameters->depth; i++) {
                load.slots[i].bytes = malloc(parameters->block_size);
                if (!load.slots[i].bytes)
                        ctl_text_no_memory();
                random_fill(&load.random, load.slots[i].bytes, parameters->block_size);
        }
        run(&load);
        return load.r;
}
