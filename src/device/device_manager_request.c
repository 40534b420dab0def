/* The manager's part: which device is meant. */

#include "device/device_request.h"

#include <errno.h>

#include "device/device_manager_internal.h"

int device_manager_request(DeviceManager *manager, uint64_t id, DeviceRequest *request) {
        ManagedDevice *device = device_manager_get(manager, id);

        list_init(&request->node);
        return device ? device_requests_add(device, request) : -ENODEV;
}

void device_manager_cancel(DeviceManager *manager, DeviceRequest *request) {
        LIST_FOR_EACH (node, &manager->devices) {
                ManagedDevice *device = list_entry(node, ManagedDevice, node_of_manager);

                LIST_FOR_EACH (pending, &device->requests.pending)
                        if (pending == &request->node)
                                device_requests_cancel(device, request);
        }
}

int device_manager_release(DeviceManager *manager, uint64_t id, bool is_removal, bool is_forced,
                           DeviceRequest *request) {
        request->request = (ControlRequest){
                .kind = is_removal ? CONTROL_REQUEST_KIND_REMOVE : CONTROL_REQUEST_KIND_RELEASE,
                .lun = CONTROL_LUN_ALL,
                .flags = is_forced ? CONTROL_REQUEST_FORCE : 0,
        };
        request->data = NULL;
        return device_manager_request(manager, id, request);
}
