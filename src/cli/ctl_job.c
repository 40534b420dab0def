/* Completed is a signal; between two of them the job's properties are looked at. */

#include <errno.h>
#include <string.h>

#include "cli/bus_value.h"
#include "cli/ctl_agent.h"
#include "cli/ctl_call.h"
#include "cli/ctl_job.h"
#include "cli/ctl_objects.h"
#include "cli/ctl_progress.h"

#define LOOK_US 300000

static int on_completed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        CtlJob *job = userdata;
        const char *text;
        int success;

        if (sd_bus_message_read(message, "bs", &success, &text) >= 0)
                json_object_object_add(job->ended, sd_bus_message_get_path(message),
                                       success ? NULL : bus_value_string(text));
        return 0;
}

CtlExit ctl_job_init(CtlJob *job, Ctl *ctl) {
        CtlExit e;
        int r;

        e = ctl_call_connect(ctl);
        if (e != CTL_EXIT_OK)
                return e;
        job->ended = json_object_new_object();
        r = sd_bus_match_signal(ctl->bus, &job->slot, CTL_SERVICE, NULL, CTL_JOB, "Completed",
                                on_completed, job);
        return r < 0 ? ctl_call_failed(ctl, NULL, r) : CTL_EXIT_OK;
}

void ctl_job_done(CtlJob *job) {
        job->slot = sd_bus_slot_unref(job->slot);
        json_object_put(job->ended);
        job->ended = NULL;
}

static bool has_ended(const CtlJob *job, const char *path) {
        return json_object_object_get_ex(job->ended, path, NULL);
}

/* Processes what has come, until the job ends or a moment has passed. */
static CtlExit listen_a_moment(CtlJob *job, Ctl *ctl, const char *path) {
        int r;

        while (!has_ended(job, path)) {
                r = sd_bus_process(ctl->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(ctl->bus, LOOK_US);
                if (r == 0)
                        return CTL_EXIT_OK;
                if (r < 0)
                        return ctl_call_failed(ctl, NULL, r);
        }
        return CTL_EXIT_OK;
}

/* A question whose failure only means that there is nothing to be seen: NULL. */
static json_object *look(Ctl *ctl, const char *path, const char *interface, const char *method,
                         const char *argument) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        json_object *answer = NULL;

        if (sd_bus_call_method(ctl->bus, CTL_SERVICE, path, interface, method, NULL, &reply,
                               argument ? "s" : "", argument) < 0 ||
            bus_value_read(reply, &answer) < 0)
                return NULL;
        return answer;
}

static void draw(CtlProgress *progress, json_object *properties) {
        uint64_t sum = ctl_objects_number(properties, "Bytes");
        double share = json_object_get_double(ctl_objects_property(properties, "Progress"));

        ctl_progress_update(progress, ctl_progress_now(), (uint64_t) (share * (double) sum), sum,
                            "");
}

static CtlExit tell(const Ctl *ctl, json_object *why) {
        if (!why)
                return CTL_EXIT_OK;
        ctl_complain(ctl, "%s", json_object_get_string(why));
        return CTL_EXIT_FAILURE;
}

CtlExit ctl_job_wait(CtlJob *job, Ctl *ctl, const char *path) {
        uint64_t start_ns = ctl_progress_now();
        uint64_t limit_ns = ctl_call_timeout(ctl, CTL_ACTION_TIMEOUT_S) * NS_PER_US;
        CtlProgress progress;
        CtlExit e;

        ctl_progress_init(&progress, ctl, "writing", start_ns, 0);
        for (;;) {
                _cleanup_(json_object_putp) json_object *properties = NULL;

                e = listen_a_moment(job, ctl, path);
                if (e != CTL_EXIT_OK || has_ended(job, path))
                        break;
                if (ctl_progress_now() - start_ns >= limit_ns) {
                        ctl_progress_clear(&progress);
                        return ctl_call_failed(ctl, NULL, -ETIMEDOUT);
                }
                properties = look(ctl, path, "org.freedesktop.DBus.Properties", "GetAll", CTL_JOB);
                if (!properties) {
                        /* Its last word may have come just before. */
                        e = listen_a_moment(job, ctl, path);
                        break;
                }
                draw(&progress, properties);
        }
        ctl_progress_clear(&progress);
        if (e != CTL_EXIT_OK)
                return e;
        if (!has_ended(job, path)) {
                ctl_complain(ctl, "The service has forgotten what became of it");
                return CTL_EXIT_FAILURE;
        }
        return tell(ctl, json_object_object_get(job->ended, path));
}

static int on_reply(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        sd_bus_message **reply = userdata;

        *reply = sd_bus_message_ref(message);
        return 0;
}

/* The job of `object`, if it has one. */
static void draw_job_of(CtlProgress *progress, Ctl *ctl, const char *object) {
        CtlObjects objects = {
                .tree = look(ctl, CTL_PATH, "org.freedesktop.DBus.ObjectManager",
                             "GetManagedObjects", NULL),
        };

        if (!json_object_is_type(objects.tree, json_type_object))
                return;
        json_object_object_foreach(objects.tree, path, interfaces) {
                json_object *job = json_object_object_get(interfaces, CTL_JOB);

                if (job && strcmp(ctl_objects_string(job, "Object"), object) == 0)
                        draw(progress, job);
                (void) path;
        }
        ctl_objects_done(&objects);
}

CtlExit ctl_job_call(Ctl *ctl, sd_bus_message *message, const char *object) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        CtlProgress progress;
        int r;

        ctl_progress_init(&progress, ctl, "writing", ctl_progress_now(), 0);
        if (!progress.is_shown)
                return ctl_call_send(ctl, message, NULL);
        ctl_agent_open(ctl);
        r = sd_bus_call_async(ctl->bus, &slot, message, on_reply, &reply,
                              ctl_call_timeout(ctl, CTL_ACTION_TIMEOUT_S));
        while (r >= 0 && !reply) {
                r = sd_bus_process(ctl->bus, NULL);
                if (r != 0)
                        continue;
                r = sd_bus_wait(ctl->bus, LOOK_US);
                if (r == 0)
                        draw_job_of(&progress, ctl, object);
        }
        ctl_progress_clear(&progress);
        if (r < 0)
                return ctl_call_failed(ctl, NULL, r);
        if (sd_bus_message_is_method_error(reply, NULL))
                return ctl_call_failed(ctl, sd_bus_message_get_error(reply), -EIO);
        return CTL_EXIT_OK;
}
