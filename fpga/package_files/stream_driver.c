/* See @TOP@_driver.h. Define @TOP@_READ32(device, tensor, offset) and @TOP@_WRITE32(device, tensor, offset, value) to
 * reach the registers of the engines in another way. */
#ifdef @TOP@_UIO
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "@TOP@_driver.h"

#ifndef @TOP@_READ32
#define @TOP@_READ32(device, tensor, offset) ((device)->registers[tensor][(offset) / 4u])
#define @TOP@_WRITE32(device, tensor, offset, value) ((device)->registers[tensor][(offset) / 4u] = (value))
#endif

/* An engine's registers: those of its one channel. */
#define FROM_MEMORY 0x00u
#define TO_MEMORY 0x30u
#define CONTROL 0x00u
#define STATUS 0x04u
#define ADDRESS 0x18u
#define ADDRESS_HIGH 0x1cu
#define LENGTH 0x28u

#define CONTROL_RUN 0x0001u
#define CONTROL_RESET 0x0004u
#define CONTROL_INTERRUPTS 0x5000u /* of finished transfers, and of errors */
#define STATUS_SCATTER_GATHER 0x0008u
#define STATUS_ERRORS 0x0070u
#define STATUS_FINISHED 0x1000u
#define STATUS_INTERRUPTS 0x7000u

#define RESET_READS 1000u

static const uint32_t channels[@TOP@_TENSORS] = {@CHANNELS@}; /* where its registers are, in an engine */
static const uint32_t bytes[@TOP@_TENSORS] = {@SIZES@};
static const uint32_t padded[@TOP@_TENSORS] = {@PADDED@};

static uint32_t get(@TOP@_device *device, unsigned tensor, uint32_t offset)
{
    return @TOP@_READ32(device, tensor, channels[tensor] + offset);
}

static void put(@TOP@_device *device, unsigned tensor, uint32_t offset, uint32_t value)
{
    @TOP@_WRITE32(device, tensor, channels[tensor] + offset, value);
}

static int reset(@TOP@_device *device, unsigned tensor)
{
    uint32_t reads;

    put(device, tensor, CONTROL, CONTROL_RESET);
    for (reads = RESET_READS; reads > 0; reads--)
        if ((get(device, tensor, CONTROL) & CONTROL_RESET) == 0) {
            if (get(device, tensor, STATUS) & STATUS_SCATTER_GATHER)
                return -1;
            put(device, tensor, CONTROL, CONTROL_RUN);
            return 0;
        }
    return -1;
}

int @TOP@_open(@TOP@_device *device, volatile void *const engines[@TOP@_TENSORS])
{
    unsigned k;

    for (k = 0; k < @TOP@_TENSORS; k++) {
        device->registers[k] = (volatile uint32_t *)engines[k];
        device->busy[k] = 0;
        device->files[k] = -1;
    }
    for (k = 0; k < @TOP@_TENSORS; k++)
        if (reset(device, k) != 0)
            return -1;
    return 0;
}

/* Looks at an engine. 0, or its error; `busy` says whether its transfer is finished. */
static uint32_t look(@TOP@_device *device, unsigned tensor)
{
    uint32_t status;

    if (!device->busy[tensor])
        return 0;
    status = get(device, tensor, STATUS);
    if (status & STATUS_ERRORS)
        return status & STATUS_ERRORS;
    if ((status & STATUS_FINISHED) == 0)
        return 0;
    if (channels[tensor] == TO_MEMORY && get(device, tensor, LENGTH) != bytes[tensor])
        return @TOP@_wrong_length;
    device->busy[tensor] = 0;
    return 0;
}

int @TOP@_finished(@TOP@_device *device, unsigned tensor)
{
    return look(device, tensor) != 0 ? -1 : !device->busy[tensor];
}

static int may_transfer(@TOP@_device *device, unsigned tensor, uint64_t address)
{
#if @TOP@_ADDRESS_BITS < 64
    if (address >> @TOP@_ADDRESS_BITS != 0)
        return 0;
#endif
    return address % @TOP@_BYTES_PER_BEAT == 0 && !device->busy[tensor];
}

int @TOP@_transfer(@TOP@_device *device, unsigned tensor, uint64_t address)
{
    if (!may_transfer(device, tensor, address))
        return -1;
    put(device, tensor, STATUS, STATUS_INTERRUPTS);
    put(device, tensor, ADDRESS, (uint32_t)address);
#if @TOP@_ADDRESS_BITS > 32
    put(device, tensor, ADDRESS_HIGH, (uint32_t)(address >> 32));
#endif
    device->busy[tensor] = 1;
    put(device, tensor, LENGTH, padded[tensor]);
    return 0;
}

int @TOP@_start(@TOP@_device *device, const uint64_t addresses[@TOP@_TENSORS])
{
    unsigned k;

    for (k = 0; k < @TOP@_TENSORS; k++)
        if (!may_transfer(device, k, addresses[k]))
            return -1;
    for (k = @TOP@_TENSORS; k > 0; k--)
        (void)@TOP@_transfer(device, k - 1, addresses[k - 1]);
    return 0;
}

int @TOP@_wait(@TOP@_device *device, uint32_t looks)
{
    unsigned k, busy;

    for (; looks > 0; looks--) {
        for (k = busy = 0; k < @TOP@_TENSORS; k++) {
            const uint32_t error = look(device, k);

            if (error != 0)
                return (int)error;
            busy += device->busy[k];
        }
        if (busy == 0)
            return 0;
    }
    return -1;
}

#ifdef @TOP@_UIO
#define SPACE 0x1000u

int @TOP@_open_uio(@TOP@_device *device, const char *const paths[@TOP@_TENSORS])
{
    volatile void *engines[@TOP@_TENSORS];
    int files[@TOP@_TENSORS], found = 0;
    unsigned k, opened;

    for (opened = 0; opened < @TOP@_TENSORS; opened++) {
        void *registers;

        files[opened] = open(paths[opened], O_RDWR);
        if (files[opened] < 0)
            break;
        registers = mmap(NULL, SPACE, PROT_READ | PROT_WRITE, MAP_SHARED, files[opened], 0);
        if (registers == MAP_FAILED) {
            close(files[opened]);
            break;
        }
        engines[opened] = registers;
    }
    if (opened == @TOP@_TENSORS)
        found = @TOP@_open(device, engines) == 0;
    for (k = 0; k < opened; k++)
        if (found) {
            device->files[k] = files[k];
            put(device, k, CONTROL, CONTROL_RUN | CONTROL_INTERRUPTS);
        } else {
            munmap((void *)(uintptr_t)engines[k], SPACE);
            close(files[k]);
        }
    return found ? 0 : -1;
}

int @TOP@_sleep(@TOP@_device *device)
{
    const uint32_t enable = 1;
    uint32_t count;
    unsigned k;

    for (k = 0; k < @TOP@_TENSORS; k++)
        for (;;) {
            const uint32_t error = look(device, k);

            if (error != 0)
                return (int)error;
            if (!device->busy[k])
                break;
            if (write(device->files[k], &enable, sizeof enable) != (ssize_t)sizeof enable)
                return -1;
            if (read(device->files[k], &count, sizeof count) != (ssize_t)sizeof count)
                return -1;
        }
    return 0;
}

void @TOP@_close_uio(@TOP@_device *device)
{
    unsigned k;

    for (k = 0; k < @TOP@_TENSORS; k++) {
        munmap((void *)(uintptr_t)device->registers[k], SPACE);
        close(device->files[k]);
        device->files[k] = -1;
    }
}
#endif
