/* See @TOP@_driver.h. Define @TOP@_READ32(device, offset) and @TOP@_WRITE32(device, offset, value) to reach the
 * registers in another way. */
#ifdef @TOP@_UIO
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "@TOP@_driver.h"

#ifndef @TOP@_READ32
#define @TOP@_READ32(device, offset) ((device)->registers[(offset) / 4u])
#define @TOP@_WRITE32(device, offset, value) ((device)->registers[(offset) / 4u] = (value))
#endif

int @TOP@_open(@TOP@_device *device, volatile void *registers)
{
    device->registers = (volatile uint32_t *)registers;
    device->file = -1;
    if (@TOP@_READ32(device, @TOP@_version_OFFSET) != @TOP@_version_VALUE)
        return -1;
    device->started = @TOP@_READ32(device, @TOP@_runs_OFFSET);
    return 0;
}

int @TOP@_may_start(@TOP@_device *device)
{
    return (@TOP@_READ32(device, @TOP@_ctrl_OFFSET) & @TOP@_ctrl_ap_start) == 0;
}

int @TOP@_start(@TOP@_device *device, const uint64_t addresses[@TOP@_TENSORS])
{
    static const uint32_t offsets[@TOP@_TENSORS] = {@OFFSETS@};
    unsigned k;

    for (k = 0; k < @TOP@_TENSORS; k++)
        if (addresses[k] % @TOP@_BYTES_PER_BEAT != 0)
            return -1;
    while (!@TOP@_may_start(device))
        ;
    for (k = 0; k < @TOP@_TENSORS; k++) {
        @TOP@_WRITE32(device, offsets[k], (uint32_t)addresses[k]);
        @TOP@_WRITE32(device, offsets[k] + 4u, (uint32_t)(addresses[k] >> 32));
    }
    device->started++;
    @TOP@_WRITE32(device, @TOP@_ctrl_OFFSET, @TOP@_ctrl_ap_start);
    return 0;
}

static int finished(@TOP@_device *device)
{
    return @TOP@_READ32(device, @TOP@_runs_OFFSET) == device->started;
}

int @TOP@_wait(@TOP@_device *device, uint32_t reads)
{
    for (; reads > 0; reads--)
        if (finished(device))
            return (int)@TOP@_READ32(device, @TOP@_error_OFFSET);
    return -1;
}

uint64_t @TOP@_cycles(@TOP@_device *device)
{
    const uint64_t low = @TOP@_READ32(device, @TOP@_cycles_OFFSET);

    return low | (uint64_t)@TOP@_READ32(device, @TOP@_cycles_high_OFFSET) << 32;
}

#ifdef @TOP@_UIO
#define SPACE 0x1000u

int @TOP@_open_uio(@TOP@_device *device, const char *path)
{
    const int file = open(path, O_RDWR);
    void *registers;

    if (file < 0)
        return -1;
    registers = mmap(NULL, SPACE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (registers == MAP_FAILED || @TOP@_open(device, registers) != 0) {
        if (registers != MAP_FAILED)
            munmap(registers, SPACE);
        close(file);
        return -1;
    }
    device->file = file;
    @TOP@_WRITE32(device, @TOP@_ier_OFFSET, @TOP@_ier_done);
    @TOP@_WRITE32(device, @TOP@_gie_OFFSET, @TOP@_gie_enable);
    return 0;
}

int @TOP@_sleep(@TOP@_device *device)
{
    const uint32_t enable = 1;
    uint32_t count;

    for (;;) {
        if (@TOP@_READ32(device, @TOP@_isr_OFFSET) & @TOP@_isr_done)
            @TOP@_WRITE32(device, @TOP@_isr_OFFSET, @TOP@_isr_done);
        if (finished(device))
            return (int)@TOP@_READ32(device, @TOP@_error_OFFSET);
        if (write(device->file, &enable, sizeof enable) != (ssize_t)sizeof enable)
            return -1;
        if (read(device->file, &count, sizeof count) != (ssize_t)sizeof count)
            return -1;
    }
}

void @TOP@_close_uio(@TOP@_device *device)
{
    munmap((void *)(uintptr_t)device->registers, SPACE);
    close(device->file);
    device->file = -1;
}
#endif
