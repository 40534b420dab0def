/*
 * The memory: a page that says whose it is and what was negotiated, a page with a word to each slot,
 * then the slots: a page at whose end a request's head is received, and its data behind.
 */

#include "export/fuse_slots.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Linux 5.14; older C libraries have no name for it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define MAGIC UINT64_C(0x31746f6c53657346) /* "FseSlot1" */
#define PAGE_SIZE ((size_t) (4 * KIB))
#define SLOT_SIZE (PAGE_SIZE + (size_t) FUSE_MESSAGE_DATA_SIZE_MAX)
#define SLOTS_OFFSET (2 * PAGE_SIZE)
#define SMALL_SIZE (2 * PAGE_SIZE)
#define IDENTITY_SIZE_MAX 1024

typedef struct SlotsHeader {
        uint64_t magic; /* written last */
        uint32_t n_slots;
        uint32_t identity_size;
        uint8_t identity[IDENTITY_SIZE_MAX];
        uint32_t init_size; /* 0: none; written last */
        uint32_t unused;
        uint8_t init[FUSE_MESSAGE_INIT_SIZE_MAX];
} SlotsHeader;

static_assert(sizeof(SlotsHeader) <= PAGE_SIZE, "a page");
static_assert(FUSE_SLOTS_N * sizeof(uint32_t) <= PAGE_SIZE, "a page");
static_assert(FUSE_SESSION_SLOTS_SIZE == SLOTS_OFFSET + FUSE_SLOTS_N * SLOT_SIZE,
              "what the manager makes");

/* Stores before it are made before those behind it, in the order in which a successor sees them:
 * within one thread, that takes the compiler alone. */
static void order_stores(void) { atomic_signal_fence(memory_order_seq_cst); }

static SlotsHeader *get_header(const FuseSlots *slots) { return (SlotsHeader *) slots->memory; }

static volatile uint32_t *get_armed(const FuseSlots *slots, unsigned i) {
        assert(i < FUSE_SLOTS_N);
        return (uint32_t *) (slots->memory + PAGE_SIZE) + i;
}

static uint8_t *get_pages(const FuseSlots *slots, unsigned i) {
        assert(i < FUSE_SLOTS_N);
        return slots->memory + SLOTS_OFFSET + i * SLOT_SIZE;
}

int fuse_slots_init(FuseSlots *slots, int fd) {
        struct stat status;
        void *memory;

        *slots = (FuseSlots){};
        if (fstat(fd, &status) < 0)
                return -errno;
        if (status.st_size != (off_t) FUSE_SESSION_SLOTS_SIZE)
                return -EBADMSG;
        memory = mmap(NULL, FUSE_SESSION_SLOTS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        slots->memory = memory;
        return 0;
}

void fuse_slots_done(FuseSlots *slots) {
        if (slots->memory)
                (void) munmap(slots->memory, FUSE_SESSION_SLOTS_SIZE);
        slots->memory = NULL;
}

int fuse_slots_claim(FuseSlots *slots, const void *identity, size_t identity_size) {
        SlotsHeader *header = get_header(slots);

        assert(identity_size <= IDENTITY_SIZE_MAX);

        if (header->magic == MAGIC) {
                if (header->n_slots != FUSE_SLOTS_N)
                        return -EBADMSG;
                return header->identity_size == identity_size && memcmp(header->identity, identity,
                                                                        identity_size) == 0
                                       ? 0
                                       : -ESTALE;
        }
        if (header->magic != 0)
                return -EBADMSG;
        header->n_slots = FUSE_SLOTS_N;
        header->identity_size = (uint32_t) identity_size;
        memcpy(header->identity, identity, identity_size);
        order_stores();
        header->magic = MAGIC;
        return 0;
}

uint8_t *fuse_slots_get(const FuseSlots *slots, unsigned i) {
        return get_pages(slots, i) + PAGE_SIZE - FUSE_MESSAGE_HEAD_SIZE;
}

static void populate(FuseSlots *slots, unsigned i, bool is_bulky) {
        /* Where that can't be done they come when they are needed. */
        if (is_bulky && !slots->is_bulky[i])
                (void) madvise(get_pages(slots, i), SLOT_SIZE, MADV_POPULATE_WRITE);
        else if (!slots->is_populated[i])
                (void) madvise(get_pages(slots, i), SMALL_SIZE, MADV_POPULATE_WRITE);
        slots->is_bulky[i] |= is_bulky;
        slots->is_populated[i] = true;
}

void fuse_slots_arm(FuseSlots *slots, unsigned i, bool is_bulky) {
        populate(slots, i, is_bulky);
        fuse_message_clear(fuse_slots_get(slots, i));
        order_stores();
        *get_armed(slots, i) = 1;
        order_stores();
}

void fuse_slots_disarm(FuseSlots *slots, unsigned i) {
        order_stores();
        *get_armed(slots, i) = 0;
}

size_t fuse_slots_get_left(const FuseSlots *slots, unsigned i) {
        return *get_armed(slots, i) == 0 ? 0 : fuse_message_get_size(fuse_slots_get(slots, i));
}

void fuse_slots_trim(FuseSlots *slots, unsigned i) {
        if (!slots->is_populated[i])
                return;
        (void) madvise(get_pages(slots, i), SLOT_SIZE, MADV_REMOVE);
        slots->is_populated[i] = slots->is_bulky[i] = false;
}

void fuse_slots_keep_init(FuseSlots *slots, const void *message, size_t size) {
        SlotsHeader *header = get_header(slots);

        size = MIN(size, sizeof(header->init));
        header->init_size = 0;
        order_stores();
        memcpy(header->init, message, size);
        order_stores();
        header->init_size = (uint32_t) size;
        order_stores();
}

const uint8_t *fuse_slots_get_init(const FuseSlots *slots, size_t *ret_size) {
        const SlotsHeader *header = get_header(slots);
        size_t size = header->init_size;

        if (size == 0)
                return NULL;
        *ret_size = size;
        return header->init;
}
