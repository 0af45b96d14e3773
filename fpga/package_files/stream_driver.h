/* Runs @TOP@ (--interface axis) from C99, on bare metal, and on Linux through UIO with @TOP@_UIO defined. Each stream has
 * an AXI DMA engine in simple mode (PG021): @ENGINES@.
 *
 *     @TOP@_device device;
 *     volatile void *engines[@TOP@_TENSORS];       // where the registers of the engines are, by tensor
 *     uint64_t addresses[@TOP@_TENSORS];           // of the tensors: physical ones, multiples of @TOP@_BYTES_PER_BEAT
 *     if (@TOP@_open(&device, engines) == 0 && @TOP@_start(&device, addresses) == 0)
 *         error = @TOP@_wait(&device, 1000000);
 *
 * A tensor is its elements in row-major order, little-endian, 8, 16, 32 or 64 bits each; its buffer has whole beats
 * (_PADDED bytes). Caches are the caller's care: write inputs back before @TOP@_start, and invalidate outputs after
 * @TOP@_wait. To send the next input while a run goes on, start one engine alone: @TOP@_transfer.
 */
#ifndef @TOP@_DRIVER_H
#define @TOP@_DRIVER_H

#include <stdint.h>

#define @TOP@_BYTES_PER_BEAT @BEAT_BYTES@u
#define @TOP@_ADDRESS_BITS @ADDRESS_BITS@u
#define @TOP@_TENSORS @TENSORS@

/* Tensors by their number: inputs, then outputs. */
enum { @NUMBERS@ };

/* Bytes of each, and of its buffer. */
@BYTES@

/* What goes wrong in an engine; it stops. Then reset the design and open the engines again. */
enum {
    @TOP@_internal_error = 0x10, /* a packet is longer than its buffer */
    @TOP@_slave_error = 0x20,    /* the memory answers with an error */
    @TOP@_decode_error = 0x40,   /* there is no memory at the address */
    @TOP@_wrong_length = 0x80    /* a packet is shorter than its tensor */
};

typedef struct {
    volatile uint32_t *registers[@TOP@_TENSORS];
    unsigned char busy[@TOP@_TENSORS]; /* a transfer is started and not yet seen to be finished */
    int files[@TOP@_TENSORS];          /* of UIO; -1 where there is none */
} @TOP@_device;

/* The engines at these addresses, reset. 0; -1 where one does not come out of reset, or has a scatter-gather engine. */
int @TOP@_open(@TOP@_device *device, volatile void *const engines[@TOP@_TENSORS]);

/* Starts the transfer of one tensor. 0; -1 where the address is not a multiple of a beat or has more than
 * @TOP@_ADDRESS_BITS bits, or where the transfer before it is not finished (@TOP@_finished, @TOP@_wait). */
int @TOP@_transfer(@TOP@_device *device, unsigned tensor, uint64_t address);

/* Whether the transfer of a tensor is finished: 1, 0, or -1 where its engine has an error, which @TOP@_wait returns. */
int @TOP@_finished(@TOP@_device *device, unsigned tensor);

/* Starts a run: all engines, outputs first. As @TOP@_transfer; no transfer is started where one is refused. */
int @TOP@_start(@TOP@_device *device, const uint64_t addresses[@TOP@_TENSORS]);

/* Waits until all transfers are finished, looking at the engines so many times. 0, an error from above, or -1 where they
 * are not finished. */
int @TOP@_wait(@TOP@_device *device, uint32_t looks);

#ifdef @TOP@_UIO
/* The engines that /dev/uioN give, by tensor. 0; -1 where one cannot be opened, or as @TOP@_open. */
int @TOP@_open_uio(@TOP@_device *device, const char *const paths[@TOP@_TENSORS]);

/* Sleeps until all transfers are finished. As @TOP@_wait; -1 where interrupts fail. */
int @TOP@_sleep(@TOP@_device *device);

/* Gives the registers back. */
void @TOP@_close_uio(@TOP@_device *device);
#endif

#endif
