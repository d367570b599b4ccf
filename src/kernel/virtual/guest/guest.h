// What the parts of the guest program share: byte buffers, reading of the plan, failing aloud. Everything on the wire is little endian, as the machine is.
#ifndef GUEST_H
#define GUEST_H
#include <stddef.h>
#include <stdint.h>

// Bytes that grow.
struct buffer {
  uint8_t *bytes;
  size_t length, room;
};

void append(struct buffer *, const void *, size_t);
void append_u32(struct buffer *, uint32_t);

// A place in bytes that are being read; take_* fail when they run out.
struct cursor {
  const uint8_t *at, *end;
};

const uint8_t *take(struct cursor *, size_t);
uint8_t take_u8(struct cursor *);
uint32_t take_u32(struct cursor *);
uint64_t take_u64(struct cursor *);
// A (u32 length, bytes) item as a C string of its own.
char *take_text(struct cursor *, size_t *length);

// Ends this process; whoever reads the answers finds the message in them.
_Noreturn void fail(const char *what, ...);

// One answer of the job at hand: what kind of step it answers, and its payload.
void answer(uint8_t kind, const struct buffer *);

// Clock, nanoseconds since the epoch; and sleeping until it shows `when`.
uint64_t clock_now(void);
void sleep_until(uint64_t when);

// The network namespace of the wire, made by a `network` step.
extern int wire_space;

// inject.c: a netlink dump (`query` step), sockets for a job's devices (`open` step), then frames (`frames` step).
void query(struct cursor *);
void open_injector(struct cursor *);
void inject(struct cursor *);

#endif
