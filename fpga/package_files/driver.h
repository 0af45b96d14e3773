/* Runs @TOP@ (--interface axi) from C99: on bare metal, and on Linux through UIO with @TOP@_UIO defined.
 *
 *     @TOP@_device device;
 *     uint64_t addresses[@TOP@_TENSORS];           // physical ones, multiples of @TOP@_BYTES_PER_BEAT
 *     if (@TOP@_open(&device, (volatile void *)0xa0000000) == 0 && @TOP@_start(&device, addresses) == 0)
 *         error = @TOP@_wait(&device, 1000000);
 *
 * A tensor is its elements in row-major order, little-endian, 8, 16, 32 or 64 bits each. Caches are the caller's care:
 * write inputs back before @TOP@_start, and invalidate outputs after @TOP@_wait.
 */
#ifndef @TOP@_DRIVER_H
#define @TOP@_DRIVER_H

#include <stdint.h>

#include "@TOP@_registers.h"

#define @TOP@_BYTES_PER_BEAT @BEAT_BYTES@u
#define @TOP@_TENSORS @TENSORS@

/* Tensors by their number: that of their address. */
enum { @NUMBERS@ };

/* Bytes of each. */
@BYTES@

typedef struct {
    volatile uint32_t *registers;
    uint32_t started; /* the register `runs`, once all runs that were started are finished */
    int file;         /* of UIO; -1 where there is none */
} @TOP@_device;

/* The registers at an address. 0; -1 where they are not those of this design. */
int @TOP@_open(@TOP@_device *device, volatile void *registers);

/* Whether the inputs of all started runs are fetched: the next one may be started, with other addresses. */
int @TOP@_may_start(@TOP@_device *device);

/* Starts a run once the inputs of the one before it are fetched. 0; -1 where an address is not a multiple of a beat. */
int @TOP@_start(@TOP@_device *device, const uint64_t addresses[@TOP@_TENSORS]);

/* Waits for all started runs, reading registers so many times. The bits of the last one's `error`, 0 for none; -1 where
 * they are not finished. */
int @TOP@_wait(@TOP@_device *device, uint32_t reads);

/* Cycles of the run that finished last. */
uint64_t @TOP@_cycles(@TOP@_device *device);

#ifdef @TOP@_UIO
/* The registers that /dev/uioN gives. 0; -1 where it cannot be opened, or they are not those of this design. */
int @TOP@_open_uio(@TOP@_device *device, const char *path);

/* Sleeps until all started runs are finished. As @TOP@_wait; -1 where interrupts fail. */
int @TOP@_sleep(@TOP@_device *device);

/* Gives the registers back. */
void @TOP@_close_uio(@TOP@_device *device);
#endif

#endif
